import Dataset
import Transforms

/// An image under half-transparent colours.
package struct OverlayPicture {
  private let height: Int
  private let width: Int
  private var pixels: [UInt8]

  /// - Parameter range: what is shown from black to full; nil for ``Raster/shownRange``.
  package init(_ image: Raster, _ range: PixelRange?) {
    (height, width, pixels) = (image.height, image.width, image.colors(range))
  }

  /// Mixes a colour into a pixel, half and half. Black, the usual colour of a background, leaves the pixel as it is.
  package mutating func mix(_ color: [UInt8], at pixel: Int) {
    guard color != [0, 0, 0] else { return }
    for channel in 0..<3 {
      let at = 3 * pixel + channel
      pixels[at] = UInt8((Int(pixels[at]) + Int(color[channel]) + 1) / 2)
    }
  }

  /// Marks a pixel with its part of diagonal stripes, black and white.
  package mutating func stripe(at pixel: Int) {
    let (x, y) = (pixel % width, pixel / width)
    let isBright = (x + y) / Self.stripeWidth % 2 == 0
    for channel in 0..<3 {
      let at = 3 * pixel + channel
      pixels[at] = UInt8((Int(pixels[at]) + (isBright ? 255 : 0) + 1) / 2)
    }
  }

  private static let stripeWidth = 3

  /// - Throws: ``DatasetError`` naming the file.
  package func write(to path: String) throws {
    try ImageFile.writePNG(Raster(height: height, width: width, pixels: pixels), to: path)
  }
}
