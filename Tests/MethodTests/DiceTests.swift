import Foundation
import Method
import Network
import TestSupport
import XCTest

/// The soft Dice loss of upsampled logits against plain loops in double precision, its gradient against finite differences.
final class DiceTests: XCTestCase {
  private let (height, width, classes, small) = (9, 7, 4, (h: 4, w: 3))
  private let logits = tensor(nchw: uniform("dice logits", 2 * 4 * 4 * 3), [2, 4, 4, 3], scale: 3)
  /// Of 0, 1 and 2; class 3 is in no label.
  private lazy var labels: [UInt8] = {
    let square = blockLabels("dice", count: 2, size: 9, classes: 3, block: 2)
    return (0..<2 * 9).flatMap { square[$0 * 9..<$0 * 9 + 7] }
  }()

  /// The definition: 1 − mean over the classes in the labels of 2 Σ p·y / (Σ p + Σ y), logits N × h × w × C upsampled
  /// bilinearly with aligned corners.
  private func loss(_ logits: [Double]) -> Double {
    var overlap = [Double](repeating: 0, count: classes)
    var size = overlap
    var present = [Bool](repeating: false, count: classes)
    for n in 0..<2 {
      for y in 0..<height {
        for x in 0..<width {
          let label = labels[(n * height + y) * width + x]
          guard label != 255 else { continue }
          let fy = Double(y) * Double(small.h - 1) / Double(height - 1)
          let fx = Double(x) * Double(small.w - 1) / Double(width - 1)
          let (top, left) = (min(Int(fy), small.h - 2), min(Int(fx), small.w - 2))
          let (dy, dx) = (fy - Double(top), fx - Double(left))
          let exps = (0..<classes).map { c in
            func at(_ y: Int, _ x: Int) -> Double {
              logits[((n * small.h + y) * small.w + x) * classes + c]
            }
            return exp(
              (at(top, left) * (1 - dx) + at(top, left + 1) * dx) * (1 - dy)
                + (at(top + 1, left) * (1 - dx) + at(top + 1, left + 1) * dx) * dy)
          }
          let sum = exps.reduce(0, +)
          for c in 0..<classes {
            size[c] += exps[c] / sum
            if c == Int(label) {
              overlap[c] += exps[c] / sum
              size[c] += 1
              present[c] = true
            }
          }
        }
      }
    }
    let scores = (0..<classes).filter { present[$0] }.map { 2 * overlap[$0] / size[$0] }
    return 1 - scores.reduce(0, +) / Double(scores.count)
  }

  func testLossAndGradient() {
    let pixels = UpsampledPixels(logits: logits, height: height, width: width)
    let sums = pixels.diceSums(logits, samples: 0..<2, labels: labels)
    let all = zip(sums[0].overlap + sums[0].size, sums[1].overlap + sums[1].size).map(+)
    var counts = [Int64](repeating: 0, count: classes)
    for label in labels where label != 255 { counts[Int(label)] += 1 }
    XCTAssertTrue(counts[0] > 0 && counts[1] > 0 && counts[2] > 0 && counts[3] == 0)
    XCTAssertTrue(labels.contains(255))
    let dice = DiceLoss(
      DiceSums(overlap: Array(all[..<classes]), size: Array(all[classes...])), pixels: counts,
      weight: 2.5)

    var values = (0..<logits.elements).map { Double(logits.data[$0]) }
    XCTAssertEqual(dice.value, loss(values), accuracy: 1e-6)
    XCTAssertTrue((0.2...0.9).contains(dice.value), "\(dice.value) shows little")

    let gradient = Tensor(like: logits)
    gradient.fill(0.125)
    pixels.addGradient(of: dice, logits, samples: 0..<2, labels: labels, to: gradient)
    var largest = 0.0
    for i in values.indices {
      let value = values[i]
      values[i] = value + 1e-4
      let above = loss(values)
      values[i] = value - 1e-4
      let expected = 2.5 * (above - loss(values)) / 2e-4
      values[i] = value
      largest = max(largest, abs(expected))
      XCTAssertEqual(Double(gradient.data[i]) - 0.125, expected, accuracy: 2e-6, "logit \(i)")
    }
    XCTAssertGreaterThan(largest, 1e-2)
  }

  /// A class that the labels do not have counts nowhere, also where no class is left.
  func testNoLabels() {
    let dice = DiceLoss(DiceSums(overlap: [0, 0], size: [3, 4]), pixels: [0, 0], weight: 1)
    XCTAssertEqual(dice.value, 0)
  }
}
