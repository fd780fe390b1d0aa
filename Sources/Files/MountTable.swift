import Foundation

/// The file systems that this process sees, by /proc/self/mountinfo (proc(5)).
package struct MountTable {
  package struct Mount: Equatable {
    /// The folder of the file system that is seen at `point`.
    package let root: String
    package let point: String
    /// Such as `nfs4`.
    package let kind: String
    package let options: Set<String>
  }

  package let mounts: [Mount]

  package init(_ text: String) {
    mounts = text.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ").map(String.init)
      // After a number of optional words comes a hyphen.
      guard words.count > 6, let end = words.dropFirst(6).firstIndex(of: "-"), words.count > end + 1 else { return nil }
      let options = [words[5]] + words.dropFirst(end + 3).prefix(1)
      return Mount(
        root: Self.unescaped(words[3]), point: Self.unescaped(words[4]), kind: words[end + 1],
        options: Set(options.flatMap { $0.split(separator: ",").map(String.init) }))
    }
  }

  /// - Parameter root: goes before every path; for tests.
  package init(root: String = "") {
    let text = try? String(contentsOfFile: root + "/proc/self/mountinfo", encoding: .utf8)
    self.init(text ?? "")
  }

  /// The mount that an absolute path without links lies on.
  package func mount(of path: String) -> Mount? {
    // Of mounts at the same place the last hides the others.
    mounts.last { mount in
      let longest = mounts.filter { Self.holds($0.point, path) }.map(\.point.utf8.count).max()
      return Self.holds(mount.point, path) && mount.point.utf8.count == longest
    }
  }

  /// Whether a folder is a path, or above it.
  package static func holds(_ folder: String, _ path: String) -> Bool {
    folder == "/" || path == folder || path.hasPrefix(folder + "/")
  }

  /// Spaces and the like are written as a backslash and three octal digits.
  private static func unescaped(_ text: String) -> String {
    guard text.contains("\\") else { return text }
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8) {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
