import Foundation
import Transforms

/// By how much a mask seems to be shifted against its image.
package struct MaskShift: Sendable, Equatable {
  /// Pixels that the mask lies too far down, and too far right.
  var down = 0
  var right = 0
  /// The rise in the mean probability of the labels if the mask is moved back: 0 to 1.
  package var gain = 0.0

  /// The most pixels of an image that are compared; in a larger image those of a grid.
  private static let mostPixels = 20_000

  /// The shift that makes the labels most probable, none where it gains nothing.
  ///
  /// Shifts up to a twentieth of the longer side, and at least 8 pixels, are tried, in coarse steps first and pixel by
  /// pixel around the best. All are compared on the same pixels of the image, which the mask covers at every shift.
  package static func best(_ prediction: ImagePrediction, _ labels: LabelMap) -> MaskShift {
    let (height, width) = (prediction.height, prediction.width)
    let reach = min(max(8, max(height, width) / 20), min(height, width) / 4)
    guard reach > 0 else { return MaskShift() }
    let inner = (height - 2 * reach) * (width - 2 * reach)
    let stride = max(1, Int((Double(inner) / Double(mostPixels)).squareRoot().rounded(.up)))
    let rows = Array(Swift.stride(from: reach, to: height - reach, by: stride))
    let columns = Array(Swift.stride(from: reach, to: width - reach, by: stride))
    let pixels = height * width
    return prediction.probabilities.withUnsafeBufferPointer { probabilities in
      labels.values.withUnsafeBufferPointer { values in
        /// The mean probability of the labels; nil where no pixel has one.
        func agreement(_ down: Int, _ right: Int) -> Double? {
          var sum = 0.0, count = 0
          for y in rows {
            for x in columns {
              let label = values[(y + down) * width + x + right]
              guard label != LabelMap.ignore else { continue }
              sum += Double(probabilities[Int(label) * pixels + y * width + x])
              count += 1
            }
          }
          return count > 0 ? sum / Double(count) : nil
        }
        guard let unmoved = agreement(0, 0) else { return MaskShift() }
        var best = MaskShift()
        func look(_ down: Int, _ right: Int) {
          guard abs(down) <= reach, abs(right) <= reach, let value = agreement(down, right) else { return }
          if value - unmoved > best.gain { best = MaskShift(down: down, right: right, gain: value - unmoved) }
        }
        var step = max(1, reach / 6)
        for down in Swift.stride(from: -reach / step * step, through: reach, by: step) {
          for right in Swift.stride(from: -reach / step * step, through: reach, by: step) { look(down, right) }
        }
        while step > 1 {
          step = (step + 1) / 2
          let center = best
          for down in [-step, 0, step] {
            for right in [-step, 0, step] { look(center.down + down, center.right + right) }
          }
        }
        return best
      }
    }
  }
}
