import Files

/// The text of a list in whatever encoding editors save one: UTF-8, or UTF-16 with or without a byte order mark.
enum ListText {
  /// - Parameter path: the list's name in messages.
  /// - Throws: ``DatasetError`` naming the line that is no text.
  static func decode(_ bytes: [UInt8], path: String) throws -> String {
    if let pointer = StorePointer(bytes, path) { throw FileBytes.problem(path, pointer.problem) }
    if let bigEndian = utf16ByteOrder(bytes) {
      guard let text = utf16(bytes, bigEndian: bigEndian) else {
        throw FileBytes.problem(path, "the list begins like UTF-16 text, but is damaged; save it again, as UTF-8")
      }
      return text
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      if let other = OtherFile.notText(bytes, path) {
        throw FileBytes.problem(path, "is \(other), not a list; a list is a text with an image a line")
      }
      // No byte of a line end is part of another character in any encoding that extends ASCII.
      let lines = bytes.split(omittingEmptySubsequences: false) { $0 == 0x0A }
      let at = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
      throw DatasetError(
        description:
          "\(path), line \(at + 1): the list is not UTF-8 text: \(FolderListing.escaped(lines[at].prefix(80))); "
          + "iconv -f latin1 -t utf8 makes it so, if it is Latin-1")
    }
    if bytes.contains(0) {
      let at = bytes.prefix { $0 != 0 }.count { $0 == 0x0A }
      throw DatasetError(
        description:
          "\(path), line \(at + 1): holds a byte that is 0: the list is damaged, or no text; save it as UTF-8")
    }
    return text
  }

  /// Whether 16-bit text has its high bytes first; nil where it is none.
  private static func utf16ByteOrder(_ bytes: [UInt8]) -> Bool? {
    if bytes.starts(with: [0xFF, 0xFE]) { return false }
    if bytes.starts(with: [0xFE, 0xFF]) { return true }
    // Without a mark: most characters of paths have a high byte of 0, and UTF-8 text has no such byte.
    let zeros = bytes.indices.filter { bytes[$0] == 0 }
    let even = zeros.count { $0 % 2 == 0 }, odd = zeros.count - even
    guard bytes.count % 2 == 0, max(even, odd) * 4 > bytes.count else { return nil }
    return even > odd
  }

  private static func utf16(_ bytes: [UInt8], bigEndian: Bool) -> String? {
    guard bytes.count % 2 == 0 else { return nil }
    let units = stride(from: 0, to: bytes.count, by: 2).map { (at: Int) -> UInt16 in
      let first = UInt16(bytes[at]), second = UInt16(bytes[at + 1])
      return bigEndian ? first << 8 | second : second << 8 | first
    }
    let text = String(validating: units, as: UTF16.self)
    return text?.unicodeScalars.contains("\0") == true ? nil : text
  }
}
