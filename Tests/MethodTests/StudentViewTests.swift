import Compute
import Configuration
import Distributed
import Foundation
import Method
import TestSupport
import XCTest

/// What the student alone sees of mixed images, against plain loops in double precision.
final class StudentViewTests: XCTestCase {
  private let (count, height, width) = (4, 11, 13)
  private var plane: Int { height * width }
  private let mean = [123.675, 116.28, 103.53], std = [58.395, 57.12, 57.375]
  private let philox = Philox(seed: 8)

  private func settings(_ strong: String) throws -> Configuration {
    try configuration("run: {seed: 8}").with("augment.strong=\(strong)")
  }

  /// Mixed images of some slots; the lower right corner is padding.
  private func batch(_ slots: Range<Int>) -> PseudoLabeled {
    var pixels: [Float] = [], labels: [UInt8] = []
    for slot in slots {
      let noise = uniform("student view \(slot)", 3 * plane)
      for p in 0..<plane {
        let isPadding = p / width > 7 && p % width > 8
        labels.append(isPadding ? 255 : UInt8(p % 3))
        for c in 0..<3 { pixels.append(isPadding ? 0 : noise[3 * p + c]) }
      }
    }
    return PseudoLabeled(
      height: height, width: width, pixels: pixels, labels: labels,
      confidence: [Float](repeating: 0.5, count: labels.count))
  }

  /// A number drawn for a slot, by its place among the quantities of augmentation.
  private func drawn(_ index: UInt32, _ slot: Int, _ step: Int) -> Double {
    philox.words(
      index: index, item: UInt32(slot), step: UInt32(step), stream: RandomStream(rawValue: 24))[0].unitInterval
  }

  private func grey(_ c: [Double]) -> Double { 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] }
  private func limited(_ value: Double) -> Double { min(max(value, 0), 255) }

  /// One image by the definitions of docs/config.md: brightness, contrast, saturation, grey, blur; 0–255.
  private func changed(_ image: [[Double]], _ covered: [Bool], slot: Int, step: Int) -> [[Double]] {
    var image = image
    let inside = covered.indices.filter { covered[$0] }
    func factor(_ strength: Double, _ index: UInt32) -> Double {
      1 - strength + 2 * strength * drawn(index, slot, step)
    }
    if drawn(6, slot, step) < 0.8 {
      let (b, c, s) = (factor(0.3, 7), factor(0.4, 8), factor(0.5, 9))
      for p in inside { image[p] = image[p].map { limited($0 * b) } }
      let middle = inside.reduce(0) { $0 + grey(image[$1]) } / Double(inside.count)
      for p in inside {
        image[p] = image[p].map { limited($0 * c + middle * (1 - c)) }
        let g = grey(image[p])
        image[p] = image[p].map { limited($0 * s + g * (1 - s)) }
      }
    }
    if drawn(11, slot, step) < 0.5 { for p in inside { image[p] = .init(repeating: grey(image[p]), count: 3) } }
    guard drawn(5, slot, step) < 0.6 else { return image }
    let before = image, sigma = 0.3 * (2 - 1) + 0.8
    for p in inside {
      var sum = [0.0, 0, 0], weight = 0.0
      for q in inside where abs(q / width - p / width) <= 2 && abs(q % width - p % width) <= 2 {
        let squares =
          (q / width - p / width) * (q / width - p / width) + (q % width - p % width) * (q % width - p % width)
        let w = exp(-Double(squares) / (2 * sigma * sigma))
        weight += w
        for c in 0..<3 { sum[c] += w * before[q][c] }
      }
      image[p] = sum.map { $0 / weight }
    }
    return image
  }

  private let strong =
    "{color: [0.3, 0.4, 0.5, 0], color_probability: 0.8, grey_probability: 0.5, blur: 2, blur_probability: 0.6}"

  func testEachPartAsDefined() throws {
    let view = StudentView(try settings(strong), philox: philox), batch = batch(0..<count)
    var kinds = Set<[Bool]>()
    for step in 0..<10 {
      let pixels = try XCTUnwrap(view.pixels(of: batch, firstSlot: 0, step: step))
      for slot in 0..<count {
        let at = slot * plane
        let covered = (0..<plane).map { batch.labels[at + $0] != 255 }
        let image = (0..<plane).map { p in
          (0..<3).map { Double(batch.pixels[(at + p) * 3 + $0]) * std[$0] + mean[$0] }
        }
        let expected = changed(image, covered, slot: slot, step: step)
        var worst = 0.0
        for p in 0..<plane {
          for c in 0..<3 {
            let value = Double(pixels[(at + p) * 3 + c])
            if covered[p] { worst = max(worst, abs(value * std[c] + mean[c] - expected[p][c])) }
            if !covered[p] { XCTAssertEqual(value, 0, "padding has changed") }
          }
        }
        XCTAssertLessThan(worst, 2e-3, "step \(step), slot \(slot)")
        kinds.insert([drawn(6, slot, step) < 0.8, drawn(11, slot, step) < 0.5, drawn(5, slot, step) < 0.6])
      }
    }
    XCTAssertGreaterThan(kinds.count, 5, "too few combinations were drawn to show anything")
  }

  func testHueTurns() throws {
    let view = StudentView(try settings("{color: [0, 0, 0, 0.5], color_probability: 1}"), philox: philox)
    let batch = batch(0..<count)
    let pixels = try XCTUnwrap(view.pixels(of: batch, firstSlot: 0, step: 0))
    let changed = zip(pixels, batch.pixels).count { abs($0 - $1) > 0.01 }
    XCTAssertGreaterThan(changed, batch.pixels.count / 2)
  }

  func testOffLeavesTheImagesToBoth() throws {
    let batch = batch(0..<count)
    XCTAssertNil(StudentView(try settings("off"), philox: philox).pixels(of: batch, firstSlot: 0, step: 0))
  }

  /// What a rank makes of its share is what one rank makes of all.
  func testSharesOfRanks() throws {
    let view = StudentView(try settings(strong), philox: philox)
    let whole = try XCTUnwrap(view.pixels(of: batch(0..<count), firstSlot: 0, step: 3))
    for shares in [2, 4] {
      for rank in 0..<shares {
        let mine = rank * count / shares..<(rank + 1) * count / shares
        let part = try XCTUnwrap(view.pixels(of: batch(mine), firstSlot: mine.lowerBound, step: 3))
        XCTAssertEqual(part, Array(whole[mine.lowerBound * plane * 3..<mine.upperBound * plane * 3]))
      }
    }
  }
}

extension Configuration {
  /// The same configuration with settings written over it.
  func with(_ settings: String...) throws -> Configuration {
    try Configuration(yaml: yaml(), source: "test", overrides: settings)
  }
}
