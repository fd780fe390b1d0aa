import Foundation

/// What a store of large files leaves in the place of a file that it has not fetched: a small text that says which file
/// is meant.
package struct StorePointer: Equatable, Sendable {
  /// Such as `Git LFS`.
  package let store: String
  /// What to type.
  package let remedy: String

  /// Longer texts are no pointers.
  package static let longest = 4096

  /// - Parameters:
  ///   - bytes: how the file begins.
  ///   - path: the file's.
  /// - Returns: nil where the bytes are no pointer.
  package init?(_ bytes: some Collection<UInt8>, _ path: String) {
    let start = String(decoding: bytes.prefix(StorePointer.longest), as: UTF8.self)
    let text = start.drop { $0.isWhitespace || $0 == "\u{FEFF}" }.lowercased()
    if text.hasPrefix("version https://git-lfs.github.com") || text.hasPrefix("version https://hawser.github.com") {
      (store, remedy) = ("Git LFS", "git lfs pull")
    } else if ["/annex/objects/", ".git/annex/objects/"].contains(where: text.hasPrefix)
      || text.hasPrefix("../") && text.contains("/.git/annex/objects/")
    {
      (store, remedy) = ("git-annex", "git annex get \(FileSystem.shellWord(path))")
    } else if text.hasPrefix("outs:") || text.contains("\nouts:"), text.contains("md5:") || text.contains("hash:") {
      (store, remedy) = ("DVC", "dvc pull")
    } else {
      return nil
    }
  }

  /// The same of an open file; nil also where it cannot be read.
  package init?(_ descriptor: Int32, _ path: String) {
    var bytes = [UInt8](repeating: 0, count: StorePointer.longest)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    self.init(bytes.prefix(count), path)
  }

  /// What the file is, and what to do, for a message that begins with its path.
  package var problem: String { "is the pointer of \(store), not the file itself; fetch that: \(remedy)" }

  /// The end of a message on a link that leads nowhere: git-annex has links in the places of its files.
  package static func advice(linkTo target: String, _ path: String) -> String {
    target.contains(".git/annex/objects/")
      ? "; git-annex has not fetched the file: git annex get \(FileSystem.shellWord(path))" : ""
  }
}
