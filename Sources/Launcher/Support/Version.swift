import Foundation

/// The version of this program, for `--version`, logs and checkpoints.
enum Version {
  static let number = "0.2.0"

  static var text: String { commit.map { "\(number) (\($0.prefix(12)))" } ?? number }

  /// The commit checked out where the executable was built, read from the git directory above it; nil when it has been
  /// installed elsewhere.
  static let commit: String? = {
    guard let executable = Bundle.main.executableURL?.resolvingSymlinksInPath() else { return nil }
    var folder = executable.deletingLastPathComponent()
    while folder.path != "/" {
      let git = folder.appendingPathComponent(".git")
      if let head = try? String(contentsOf: git.appendingPathComponent("HEAD"), encoding: .utf8) {
        return resolve(head.trimmingCharacters(in: .whitespacesAndNewlines), git)
      }
      folder.deleteLastPathComponent()
    }
    return nil
  }()

  private static func resolve(_ head: String, _ git: URL) -> String? {
    guard head.hasPrefix("ref: ") else { return head }
    let name = String(head.dropFirst(5))
    if let commit = try? String(contentsOf: git.appendingPathComponent(name), encoding: .utf8) {
      return commit.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let packed = (try? String(contentsOf: git.appendingPathComponent("packed-refs"), encoding: .utf8)) ?? ""
    return packed.split(separator: "\n").first { $0.hasSuffix(" \(name)") }.map { String($0.prefix { $0 != " " }) }
  }
}
