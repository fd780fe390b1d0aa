extension ImageFile {
  /// Reads the header and looks for the end of the image, without decoding it: finds files cut short. One without an
  /// end is decoded, to see whether it lacks more than that.
  ///
  /// - Throws: the ``DatasetError`` that ``read(_:_:accept:)`` would throw.
  static func checkImage(_ path: String, _ form: ImageForm) throws -> ImageHeader {
    try checkImage(FileBytes.read(path), path, form)
  }

  /// The same for a file's bytes; `path` is their name in messages.
  static func checkImage(_ bytes: [UInt8], _ path: String, _ form: ImageForm) throws -> ImageHeader {
    let (header, dataOffset) = try header(path, bytes)
    try checkConvertible(path, header, form)
    let complete = header.format == .jpeg ? hasJPEGEnd(bytes, after: dataOffset) : hasPNGEnd(bytes)
    if !complete {
      guard header.format == .jpeg else {
        throw FileBytes.problem(path, "is incomplete: the file ends before the image does; copy or export it again")
      }
      _ = try decode(bytes, path, form)
    }
    return header
  }

  /// Whether an end-of-image marker follows the first scan's header. Coded data cannot contain one, and
  /// thumbnails lie before it.
  private static func hasJPEGEnd(_ bytes: [UInt8], after offset: Int) -> Bool {
    bytes.withUnsafeBufferPointer { bytes in
      var at = bytes.count - 2
      while at >= offset {
        if bytes[at] == 0xFF, bytes[at + 1] == 0xD9 { return true }
        at -= 1
      }
      return false
    }
  }

  /// Whether the chain of chunks reaches IEND within the file.
  private static func hasPNGEnd(_ bytes: [UInt8]) -> Bool {
    var at = 8
    // A chunk is its length, its name, that many bytes and a checksum.
    while at + 12 <= bytes.count {
      let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      if bytes[at + 4..<at + 8].elementsEqual("IEND".utf8) { return true }
      at += 12 + length
    }
    return false
  }
}
