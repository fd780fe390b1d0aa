import Transforms

/// How a viewer turns a stored picture before it shows it: tag 274 of EXIF, 1 to 8.
///
/// Cameras store what the sensor saw and write here how they were held. Masks, boxes and everything else that people draw
/// lie on the picture as it is shown.
enum ExifOrientation {
  /// The orientation of a JPEG: of its first EXIF segment (APP1). 1, as it is stored, where there is none.
  static func ofJPEG(_ bytes: [UInt8]) -> Int {
    var at = 2
    while at + 4 <= bytes.count, bytes[at] == 0xFF {
      let marker = bytes[at + 1]
      // Fill bytes, and markers without a length.
      if marker == 0xFF || marker == 0x01 || (0xD0...0xD8).contains(marker) {
        at += marker == 0xFF ? 1 : 2
        continue
      }
      // Pixels, or the end: EXIF comes before them.
      if marker == 0xDA || marker == 0xD9 { break }
      let length = Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])
      let end = at + 2 + length
      guard length >= 2, end <= bytes.count else { break }
      if marker == 0xE1, bytes[at + 4..<end].starts(with: Array("Exif\0".utf8)), length >= 8 {
        return orientation(tiff: bytes[at + 10..<end])
      }
      at = end
    }
    return 1
  }

  /// The orientation of a PNG: of its chunk eXIf, before or after the pixels. 1 where there is none.
  static func ofPNG(_ bytes: [UInt8]) -> Int {
    var at = 8
    while at + 12 <= bytes.count {
      let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - at - 12 else { break }
      if bytes[at + 4..<at + 8].elementsEqual("eXIf".utf8) {
        var data = bytes[at + 8..<at + 8 + length]
        // Some programs copy a JPEG's segment whole.
        if data.starts(with: Array("Exif\0\0".utf8)) { data = data.dropFirst(6) }
        return orientation(tiff: data)
      }
      at += 12 + length
    }
    return 1
  }

  /// The tag in the first directory of a TIFF header and what follows it; 1 where it is missing, damaged or out of range.
  private static func orientation(tiff: ArraySlice<UInt8>) -> Int {
    let bytes = Array(tiff)
    guard bytes.count >= 8, bytes[0] == bytes[1], bytes[0] == 0x49 || bytes[0] == 0x4D else { return 1 }
    let isLittle = bytes[0] == 0x49
    func number(_ at: Int, _ count: Int) -> Int? {
      guard at >= 0, at + count <= bytes.count else { return nil }
      let part = bytes[at..<at + count]
      return isLittle ? part.reversed().reduce(0) { $0 << 8 | Int($1) } : part.reduce(0) { $0 << 8 | Int($1) }
    }
    guard number(2, 2) == 42, let directory = number(4, 4), let count = number(directory, 2) else { return 1 }
    for index in 0..<count {
      let entry = directory + 2 + 12 * index
      guard let tag = number(entry, 2), let type = number(entry + 2, 2) else { return 1 }
      guard tag == 274 else { continue }
      // SHORT; some programs write LONG.
      guard let value = number(entry + 8, type == 4 ? 4 : 2), type == 3 || type == 4, (1...8).contains(value) else {
        return 1
      }
      return value
    }
    return 1
  }

  /// Whether a picture of this orientation is shown with its stored rows as columns.
  static func swapsSides(_ orientation: Int) -> Bool { orientation >= 5 }

  /// Pixels as they are shown.
  ///
  /// - Parameters:
  ///   - height, width: as stored.
  static func shown(_ stored: [UInt8], height: Int, width: Int, bytesAPixel: Int, orientation: Int) -> [UInt8] {
    guard (2...8).contains(orientation) else { return stored }
    // Where the first stored pixel is shown, and how far the next of its row and of its column are from it.
    let (rows, columns) = swapsSides(orientation) ? (width, height) : (height, width)
    let (atBottom, atRight) = ([3, 4, 7, 8].contains(orientation), [2, 3, 6, 7].contains(orientation))
    let down = atBottom ? -columns : columns, right = atRight ? -1 : 1
    let (alongRow, alongColumn) = swapsSides(orientation) ? (down, right) : (right, down)
    let first = (atBottom ? rows - 1 : 0) * columns + (atRight ? columns - 1 : 0)
    return [UInt8](unsafeUninitializedCapacity: stored.count) { shown, count in
      let shown = shown.baseAddress!
      stored.withUnsafeBufferPointer { stored in
        var from = stored.baseAddress!
        for y in 0..<height {
          var to = shown + (first + y * alongColumn) * bytesAPixel
          for _ in 0..<width {
            for byte in 0..<bytesAPixel { to[byte] = from[byte] }
            from += bytesAPixel
            to += alongRow * bytesAPixel
          }
        }
      }
      count = stored.count
    }
  }
}
