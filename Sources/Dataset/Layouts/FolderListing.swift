import Foundation

/// The entries of a folder, their names byte for byte as the file system has them.
struct FolderListing {
  private(set) var names: [String] = []
  /// Those of `names` that are folders.
  private(set) var folders: Set<String> = []
  /// Names that are not UTF-8, which no list can write.
  private(set) var foreign: [[UInt8]] = []

  /// nil, with `errno`, where the folder cannot be listed.
  init?(_ path: String) {
    guard let stream = opendir(path) else { return nil }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard bytes != Array(".".utf8), bytes != Array("..".utf8) else { continue }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        foreign.append(bytes)
        continue
      }
      names.append(name)
      if Int(entry.pointee.d_type) == Int(DT_DIR) { folders.insert(name) }
    }
  }

  /// A name that is not UTF-8, as messages show it: `Gr\xF6\xDFe.jpg`.
  static func escaped(_ name: some Sequence<UInt8>) -> String {
    name.map { byte in
      (0x20...0x7E).contains(byte) ? String(UnicodeScalar(byte)) : String(format: "\\x%02X", Int(byte))
    }.joined()
  }

  /// How such names are mended.
  static func renaming(_ folder: String) -> String {
    "convmv -f latin1 -t utf8 --notest -r \(folder) renames such files"
  }
}
