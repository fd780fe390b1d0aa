import Transforms

extension ImageFile {
  /// The colours of PASCAL VOC's masks, 256 RGB triples: bits of the class number spread over the channels' high bits.
  public static let vocPalette: [[UInt8]] = (0..<256).map { (index: Int) -> [UInt8] in
    var rgb: [UInt8] = [0, 0, 0]
    for bit in 0..<8 {
      let channel = bit % 3, shift = 7 - bit / 3
      rgb[channel] |= UInt8((index >> bit & 1) << shift)
    }
    return rgb
  }

  /// Writes a PNG of 8 or 16 bits: grey, grey and alpha, colour, or colour and alpha, by the image's channels.
  ///
  /// - Throws: ``DatasetError`` naming the file if it cannot be written, or if PNG has no such images.
  public static func writePNG(_ image: Raster, to path: String) throws {
    guard (1...4).contains(image.channels) else {
      throw FileBytes.problem(path, "a PNG has 1 to 4 channels, not \(image.channels)")
    }
    let bytes: [UInt8]
    switch image.values {
    case .uint8(let values): bytes = values
    case .uint16(let values): bytes = values.withUnsafeBytes { [UInt8]($0) }
    case .int16, .float32: throw FileBytes.problem(path, "a PNG cannot hold \(image.type.rawValue)")
    }
    let kind = PNGWriter.Kind.values(channels: image.channels, bits: 8 * image.type.size)
    let writer = try PNGWriter(path, height: image.height, width: image.width, kind)
    try writer.write(bytes)
    try writer.finish()
  }

  /// Writes a mask whose stored values are the classes.
  ///
  /// - Parameter palette: see ``PNGWriter/Kind/palette(_:)``; nil writes a grey PNG.
  /// - Throws: ``DatasetError`` naming the file if it cannot be written.
  public static func writePNG(_ labels: LabelMap, palette: [[UInt8]]?, to path: String) throws {
    let writer = try PNGWriter(
      path, height: labels.height, width: labels.width, palette.map(PNGWriter.Kind.palette) ?? .grey)
    try writer.write(labels.values)
    try writer.finish()
  }
}
