import Foundation
import Labeling
import TestSupport
import Transforms

/// Masks of a few regions, and what a network that has learned them would predict: sure inside regions, unsure along
/// boundaries.
enum Scene {
  static let classes = 4
  static let (height, width) = (90, 120)

  /// Sky above ground, with a house and a tree whose places depend on the number.
  static func truth(_ number: Int) -> LabelMap {
    let draws = hashed("scene \(number)", 4).map { Int($0 % 1000) }
    let horizon = 35 + draws[0] % 20, house = 10 + draws[1] % 30, tree = 65 + draws[2] % 25
    let values = (0..<height * width).map { (p: Int) -> UInt8 in
      let (x, y) = (p % width, p / width)
      if x >= house, x < house + 26, y >= horizon - 25, y < horizon + 10 { return 2 }
      if x >= tree, x < tree + 16, y >= horizon - 20, y < horizon + 14 { return 3 }
      return y < horizon ? 0 : 1
    }
    return LabelMap(height: height, width: width, values: values)
  }

  /// A box blur of the truth's classes, so that boundaries are uncertain.
  ///
  /// - Parameter certainty: of the true class inside regions.
  static func prediction(_ truth: LabelMap, certainty: Float = 0.9) -> ImagePrediction {
    let radius = 2, plane = truth.height * truth.width
    var probabilities = [Float](repeating: 0, count: classes * plane)
    for y in 0..<truth.height {
      for x in 0..<truth.width {
        var counts = [Float](repeating: 0, count: classes)
        var all: Float = 0
        for dy in -radius...radius {
          for dx in -radius...radius {
            let (row, column) = (y + dy, x + dx)
            guard row >= 0, row < truth.height, column >= 0, column < truth.width else { continue }
            counts[Int(truth.values[row * truth.width + column])] += 1
            all += 1
          }
        }
        for c in 0..<classes {
          probabilities[c * plane + y * truth.width + x] =
            certainty * counts[c] / all + (1 - certainty) / Float(classes)
        }
      }
    }
    return ImagePrediction(height: truth.height, width: truth.width, probabilities: probabilities)
  }

  static func swapped(_ mask: LabelMap, _ a: UInt8, _ b: UInt8) -> LabelMap {
    LabelMap(
      height: mask.height, width: mask.width, values: mask.values.map { $0 == a ? b : $0 == b ? a : $0 })
  }

  /// - Parameter filling: whether rows and columns that come in are 255; else they repeat the border.
  static func shifted(_ mask: LabelMap, down: Int, right: Int, filling: Bool = true) -> LabelMap {
    let values = (0..<mask.height * mask.width).map { (p: Int) -> UInt8 in
      let (y, x) = (p / mask.width - down, p % mask.width - right)
      let isInside = (0..<mask.height).contains(y) && (0..<mask.width).contains(x)
      if !isInside, filling { return 255 }
      return mask.values[min(max(y, 0), mask.height - 1) * mask.width + min(max(x, 0), mask.width - 1)]
    }
    return LabelMap(height: mask.height, width: mask.width, values: values)
  }
}
