extension JPEG {
  /// A grey baseline JPEG, each 8×8 block of one value, which decoders give back exactly. A row of blocks is coded
  /// together, so that a file cut anywhere lacks whole rows of 8 pixels.
  ///
  /// - Parameters:
  ///   - height, width: in pixels.
  ///   - restartRows: how many rows of blocks lie between two restart markers; nil for none.
  ///   - value: of the block in this column and row.
  public static func blocks(
    height: Int, width: Int, restartRows: Int? = nil, _ value: (_ column: Int, _ row: Int) -> UInt8
  ) -> [UInt8] {
    let (rows, columns) = ((height + 7) / 8, (width + 7) / 8)
    var file: [UInt8] = [0xFF, 0xD8]
    func big(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }
    func add(_ marker: UInt8, _ body: [UInt8]) { file += [0xFF, marker] + big(body.count + 2) + body }
    // A quantum of 8 makes the first coefficient the block's value less 128.
    add(0xDB, [0] + [UInt8](repeating: 8, count: 64))
    add(0xC0, [8] + big(height) + big(width) + [1, 1, 0x11, 0])
    // Categories 0 to 11 of differences in 4 bits each; of other coefficients "no more" alone, in 2 bits.
    add(0xC4, [0x00] + [0, 0, 0, 12] + [UInt8](repeating: 0, count: 12) + (0..<12).map { UInt8($0) })
    add(0xC4, [0x10] + [0, 1] + [UInt8](repeating: 0, count: 14) + [0])
    if let restartRows { add(0xDD, big(restartRows * columns)) }
    add(0xDA, [1, 1, 0x00, 0, 63, 0])
    var bits: [Bool] = []
    func put(_ number: Int, _ count: Int) { for bit in (0..<count).reversed() { bits.append(number >> bit & 1 == 1) } }
    func flush() {
      while bits.count % 8 > 0 { bits.append(true) }
      for start in stride(from: 0, to: bits.count, by: 8) {
        let byte = bits[start..<start + 8].reduce(0 as UInt8) { $0 << 1 | ($1 ? 1 : 0) }
        file += byte == 0xFF ? [0xFF, 0] : [byte]
      }
      bits = []
    }
    var last = 0
    for row in 0..<rows {
      if let restartRows, row > 0, row % restartRows == 0 {
        flush()
        file += [0xFF, UInt8(0xD0 + (row / restartRows - 1) % 8)]
        last = 0
      }
      for column in 0..<columns {
        let level = Int(value(column, row)) - 128, difference = level - last
        last = level
        let category = Int.bitWidth - abs(difference).leadingZeroBitCount
        put(category, 4)
        put(difference < 0 ? difference + (1 << category) - 1 : difference, category)
        put(0, 2)
      }
    }
    flush()
    return file + [0xFF, 0xD9]
  }

  /// The file with an EXIF segment that says how the picture is to be turned.
  public static func withOrientation(_ orientation: Int, _ file: [UInt8], littleEndian: Bool = false) -> [UInt8] {
    let body = Array("Exif\0\0".utf8) + exif(orientation, littleEndian: littleEndian)
    return Array(file.prefix(2)) + [0xFF, 0xE1, 0, UInt8(body.count + 2)] + body + file.dropFirst(2)
  }

  /// A TIFF header and a directory with another tag and the orientation.
  public static func exif(_ orientation: Int, littleEndian: Bool = false) -> [UInt8] {
    func number(_ value: Int, _ count: Int) -> [UInt8] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      return littleEndian ? bytes : bytes.reversed()
    }
    let mark = Array((littleEndian ? "II" : "MM").utf8)
    return mark + number(42, 2) + number(8, 4) + number(2, 2)
      + number(0x0100, 2) + number(4, 2) + number(1, 4) + number(20, 4)
      + number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + number(0, 2) + number(0, 4)
  }
}
