import Compute
import Dataset
import Foundation
import Transforms

/// Pictures of what a network says of an image, no larger than ``largest`` on a side.
struct PictureFrames {
  /// Pixels of the longer side.
  static let largest = 320

  let height: Int
  let width: Int
  private let source: (height: Int, width: Int, pixels: [UInt8])
  /// The pixel of the image that each row and column shows.
  private let rows: [Int]
  private let columns: [Int]

  /// - Parameter range: what is shown from black to full; nil for ``Raster/shownRange``.
  init(_ image: Raster, _ range: PixelRange?) {
    source = (image.height, image.width, image.colors(range))
    let scale = min(1, Double(Self.largest) / Double(max(image.height, image.width)))
    height = max(1, Int((Double(image.height) * scale).rounded()))
    width = max(1, Int((Double(image.width) * scale).rounded()))
    let (h, w) = (height, width)
    rows = (0..<h).map { (2 * $0 + 1) * image.height / (2 * h) }
    columns = (0..<w).map { (2 * $0 + 1) * image.width / (2 * w) }
  }

  /// Values at the pixels shown, of a map of the image's size.
  func sampled<Value>(_ values: [Value]) -> [Value] {
    rows.flatMap { y in columns.map { values[y * source.width + $0] } }
  }

  /// The image, each pixel the mean of those that it stands for.
  func image() -> Raster {
    var pixels = [UInt8](repeating: 0, count: height * width * 3)
    for y in 0..<height {
      let top = y * source.height / height, bottom = max(top + 1, (y + 1) * source.height / height)
      for x in 0..<width {
        let left = x * source.width / width, right = max(left + 1, (x + 1) * source.width / width)
        var sum = (0, 0, 0)
        for line in top..<bottom {
          for at in stride(from: (line * source.width + left) * 3, to: (line * source.width + right) * 3, by: 3) {
            sum.0 += Int(source.pixels[at])
            sum.1 += Int(source.pixels[at + 1])
            sum.2 += Int(source.pixels[at + 2])
          }
        }
        let count = (bottom - top) * (right - left), at = (y * width + x) * 3
        pixels[at] = UInt8(sum.0 / count)
        pixels[at + 1] = UInt8(sum.1 / count)
        pixels[at + 2] = UInt8(sum.2 / count)
      }
    }
    return Raster(height: height, width: width, pixels: pixels)
  }

  /// Classes, to be shown in a palette.
  func classes(_ values: [UInt8]) -> LabelMap {
    LabelMap(height: height, width: width, values: sampled(values))
  }

  /// Entropy from 0 to `greatest` in colours from black to yellow, white where it crosses γ.
  ///
  /// - Parameter threshold: of a pixel by its class; nil for none.
  func entropy(_ values: [Float], classes: [UInt8], greatest: Double, threshold: (UInt8) -> Double?) -> Raster {
    let values = sampled(values), classes = sampled(classes)
    let isAbove = values.indices.map { p in threshold(classes[p]).map { Double(values[p]) > $0 } }
    return picture { p in
      let (y, x) = (p / width, p % width)
      let next = [x + 1 < width ? p + 1 : p, y + 1 < height ? p + width : p]
      if next.contains(where: { isAbove[$0] != isAbove[p] && isAbove[$0] != nil && isAbove[p] != nil }) {
        return (255, 255, 255)
      }
      return Self.heat(greatest > 0 ? Double(values[p]) / greatest : 0)
    }
  }

  /// The image in grey, blue where the pseudo-label is reliable and orange where it is not.
  func reliability(_ values: [Float], classes: [UInt8], threshold: (UInt8) -> Double?) -> Raster {
    let values = sampled(values), classes = sampled(classes), grey = grey()
    return picture { p in
      guard let gamma = threshold(classes[p]) else { return (grey[p], grey[p], grey[p]) }
      return Double(values[p]) < gamma ? Self.mixed(grey[p], (26, 102, 208)) : Self.mixed(grey[p], (240, 140, 30))
    }
  }

  /// The image in grey, red where the class is not that of the mask; dark where the mask has none.
  func errors(_ prediction: [UInt8], truth: [UInt8]) -> Raster {
    let prediction = sampled(prediction), truth = sampled(truth), grey = grey()
    return picture { p in
      if truth[p] == LabelMap.ignore { return (grey[p] / 3, grey[p] / 3, grey[p] / 3) }
      return prediction[p] == truth[p] ? (grey[p], grey[p], grey[p]) : Self.mixed(grey[p], (230, 30, 40))
    }
  }

  private func grey() -> [UInt8] {
    let pixels = image().colors()
    return (0..<height * width).map { p in
      let (red, green, blue) = (Int(pixels[3 * p]), Int(pixels[3 * p + 1]), Int(pixels[3 * p + 2]))
      return UInt8((77 * red + 150 * green + 29 * blue) >> 8)
    }
  }

  private func picture(_ color: (Int) -> (UInt8, UInt8, UInt8)) -> Raster {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(height * width * 3)
    for p in 0..<height * width {
      let (red, green, blue) = color(p)
      pixels += [red, green, blue]
    }
    return Raster(height: height, width: width, pixels: pixels)
  }

  private static func mixed(_ grey: UInt8, _ color: (Int, Int, Int)) -> (UInt8, UInt8, UInt8) {
    func channel(_ value: Int) -> UInt8 { UInt8((Int(grey) * 2 + value * 3) / 5) }
    return (channel(color.0), channel(color.1), channel(color.2))
  }

  /// The colours of the scale that the page draws.
  private static let heatColors: [(Double, Double, Double)] = [
    (0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191),
  ]

  private static func heat(_ share: Double) -> (UInt8, UInt8, UInt8) {
    guard share.isFinite else { return (255, 0, 255) }
    let at = min(1, max(0, share)) * Double(heatColors.count - 1)
    let low = min(heatColors.count - 2, Int(at)), f = at - Double(low)
    let (a, b) = (heatColors[low], heatColors[low + 1])
    func channel(_ x: Double, _ y: Double) -> UInt8 { UInt8(x + (y - x) * f) }
    return (channel(a.0, b.0), channel(a.1, b.1), channel(a.2, b.2))
  }
}
