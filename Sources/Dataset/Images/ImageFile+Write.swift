internal import CImageIO
import Foundation
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
    try write(image.pixels, height: image.height, width: image.width, channels: 3, palette: [], to: path)
  }

  /// Writes a mask whose stored values are the classes.
  ///
  /// - Parameter palette: RGB triples that viewers show classes in (at most 256 are used; values past the end are shown
  ///   in VOC's colours); nil writes a grey PNG.
  /// - Throws: ``DatasetError`` naming the file if it cannot be written.
  public static func writePNG(_ labels: LabelMap, palette: [[UInt8]]?, to path: String) throws {
    var flat: [UInt8] = []
    if let palette {
      // All 256 entries are written: readers reject indices that have no entry, and 255 is one.
      for index in 0..<256 {
        let given = index < palette.count && palette[index].count == 3
        flat += given ? palette[index] : vocPalette[index]
      }
    }
    try write(labels.values, height: labels.height, width: labels.width, channels: 1, palette: flat, to: path)
  }

  private static func write(
    _ pixels: [UInt8], height: Int, width: Int, channels: Int32, palette: [UInt8], to path: String
  ) throws {
    var file: UnsafeMutablePointer<UInt8>?
    var size = 0
    var message = [CChar](repeating: 0, count: Int(U2PL_MESSAGE_SIZE))
    let failed = palette.withUnsafeBufferPointer { colors in
      u2pl_png_encode(
        pixels, UInt32(width), UInt32(height), channels, colors.isEmpty ? nil : colors.baseAddress,
        Int32(colors.count / 3), &file, &size, &message)
    }
    guard failed == 0, let file else {
      let text = message.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      throw FileBytes.problem(path, "cannot be encoded as PNG: \(text)")
    }
    try FileBytes.write(Data(bytesNoCopy: file, count: size, deallocator: .free), to: path)
  }
}
