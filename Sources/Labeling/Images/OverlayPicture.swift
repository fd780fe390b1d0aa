import Dataset
import Transforms

/// An image under half-transparent colours.
package struct OverlayPicture {
  private var image: RGBImage

  package init(_ image: RGBImage) { self.image = image }

  /// Mixes a colour into a pixel, half and half. Black, the usual colour of a background, leaves the pixel as it is.
  package mutating func mix(_ color: [UInt8], at pixel: Int) {
    guard color != [0, 0, 0] else { return }
    for channel in 0..<3 {
      let at = 3 * pixel + channel
      image.pixels[at] = UInt8((Int(image.pixels[at]) + Int(color[channel]) + 1) / 2)
    }
  }

  /// Marks a pixel with its part of diagonal stripes, black and white.
  package mutating func stripe(at pixel: Int) {
    let (x, y) = (pixel % image.width, pixel / image.width)
    let isBright = (x + y) / Self.stripeWidth % 2 == 0
    for channel in 0..<3 {
      let at = 3 * pixel + channel
      image.pixels[at] = UInt8((Int(image.pixels[at]) + (isBright ? 255 : 0) + 1) / 2)
    }
  }

  private static let stripeWidth = 3

  /// - Throws: ``DatasetError`` naming the file.
  package func write(to path: String) throws { try ImageFile.writePNG(image, to: path) }
}
