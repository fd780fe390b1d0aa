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

  /// Writes an 8-bit colour PNG.
  ///
  /// - Throws: ``DatasetError`` naming the file if it cannot be written.
  public static func writePNG(_ image: RGBImage, to path: String) throws {
    let writer = try PNGWriter(path, height: image.height, width: image.width, .color)
    try writer.write(image.pixels)
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
