import Foundation
import Transforms

/// What `suggest` keeps of an image: one or two thousand numbers, so that the summaries of thousands of images fit into
/// memory and can be sent between ranks.
package struct ImageSummary: Sendable, Equatable {
  /// Pixels by entropy, in ``bins`` equal steps from 0 to ln C.
  package var histogram: [Float]
  package var meanEntropy: Float
  /// Expected share of each class: the mean of its probability; of a labeled image the share of its mask.
  package var shares: [Float]
  /// Share of the pixels that are given each class.
  package var predicted: [Float]
  /// Σ (1 − p) over the pixels that are given each class, per pixel of the image.
  package var doubt: [Float]
  /// z̄.
  package var representation: [Float]
  /// The image in 16 × 16 cells, RGB from 0 to 1.
  package var thumbnail: [Float]

  package static let bins = 512
  package static let cells = 16

  /// Of an image without a mask.
  package init(_ image: Raster, _ prediction: ImagePrediction, shown range: PixelRange? = nil) {
    let classes = prediction.classCount, pixels = prediction.pixels
    let entropy = prediction.entropy
    histogram = [Float](repeating: 0, count: Self.bins)
    var sum = 0.0
    for value in entropy {
      histogram[Self.bin(Double(value), classes: classes)] += 1
      sum += Double(value)
    }
    meanEntropy = Float(sum / Double(pixels))
    var predicted = [Double](repeating: 0, count: classes), doubt = predicted
    for (p, c) in prediction.classes.enumerated() {
      predicted[Int(c)] += 1
      doubt[Int(c)] += Double(1 - prediction.probabilities[Int(c) * pixels + p])
    }
    shares = (0..<classes).map { c in
      var sum = 0.0
      for p in c * pixels..<(c + 1) * pixels { sum += Double(prediction.probabilities[p]) }
      return Float(sum / Double(pixels))
    }
    self.predicted = predicted.map { Float($0 / Double(pixels)) }
    self.doubt = doubt.map { Float($0 / Double(pixels)) }
    representation = prediction.representation
    thumbnail = Self.thumbnail(of: image, range)
  }

  /// Of a labeled image, whose mask tells its classes.
  package init(_ image: Raster, _ prediction: ImagePrediction, labels: LabelMap, shown range: PixelRange? = nil) {
    self.init(image, prediction, shown: range)
    var counts = [Float](repeating: 0, count: shares.count)
    for value in labels.values where value != LabelMap.ignore { counts[Int(value)] += 1 }
    shares = counts.map { $0 / Float(max(1, labels.values.count)) }
  }

  /// The bin of an entropy.
  package static func bin(_ entropy: Double, classes: Int) -> Int {
    min(bins - 1, max(0, Int(entropy / log(Double(max(2, classes))) * Double(bins))))
  }

  /// Share of the pixels whose entropy is above `gamma`, as finely as the bins are.
  package func share(above gamma: Double) -> Double {
    let bin = Self.bin(gamma, classes: shares.count)
    let all = histogram.reduce(0, +)
    return all > 0 ? Double(histogram[(bin + 1)...].reduce(0, +) / all) : 0
  }

  /// Means over the cells of a grid of 16 × 16; smaller images have cells of one pixel that repeat.
  package static func thumbnail(of image: Raster, _ shown: PixelRange? = nil) -> [Float] {
    func range(_ cell: Int, _ length: Int) -> Range<Int> {
      let low = cell * length / cells
      return low..<max(low + 1, (cell + 1) * length / cells)
    }
    let pixels = image.colors(shown)
    var result: [Float] = []
    result.reserveCapacity(cells * cells * 3)
    for row in 0..<cells {
      let rows = range(row, image.height)
      for column in 0..<cells {
        let columns = range(column, image.width)
        var sums = [0, 0, 0]
        for y in rows {
          for x in columns {
            let at = 3 * (y * image.width + x)
            for channel in 0..<3 { sums[channel] += Int(pixels[at + channel]) }
          }
        }
        let count = Float(rows.count * columns.count) * 255
        for sum in sums { result.append(Float(sum) / count) }
      }
    }
    return result
  }

  // MARK: Between ranks

  /// All numbers in a row.
  package var packed: [Float] {
    histogram + [meanEntropy] + shares + predicted + doubt + thumbnail + representation
  }

  /// Numbers of a summary.
  package static func packedCount(classes: Int, features: Int) -> Int {
    bins + 1 + 3 * classes + cells * cells * 3 + features
  }

  package init(packed: some Collection<Float>, classes: Int) {
    var rest = packed[...]
    func next(_ count: Int) -> [Float] {
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    histogram = next(Self.bins)
    meanEntropy = next(1)[0]
    shares = next(classes)
    predicted = next(classes)
    doubt = next(classes)
    thumbnail = next(Self.cells * Self.cells * 3)
    representation = Array(rest)
  }
}
