// Ranks: 1 2 4
import Compute
import Method
import TestSupport
import Transforms
import XCTest

/// The global gradient's norm and clipping by it, against plain sums; and what a step makes of them.
final class GradientNormTests: XCTestCase {
  private func withBuffer(_ values: [Float], _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
    var values = values
    try values.withUnsafeMutableBufferPointer { try body($0) }
  }

  /// Of lengths around those of lanes and pieces.
  func testNormIsTheDirectSum() {
    for count in [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 200_003] {
      let values = uniform("gradient", count)
      let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      withBuffer(values) {
        XCTAssertEqual(GradientNorm.norm($0), expected, accuracy: 1e-12 * max(expected, 1), "\(count)")
      }
    }
    withBuffer([3, 4]) { XCTAssertEqual(GradientNorm.norm($0), 5) }
  }

  func testThreadsChangeNoBit() {
    let threads = ThreadPool.threads
    defer { ThreadPool.threads = threads }
    withBuffer(uniform("gradient", 300_000)) { values in
      ThreadPool.threads = 1
      let alone = GradientNorm.norm(values)
      ThreadPool.threads = 3
      XCTAssertEqual(GradientNorm.norm(values).bitPattern, alone.bitPattern)
    }
  }

  func testOneBadNumberShows() {
    for count in [1, 17, 65_537, 200_003] {
      for bad in [Float.nan, .infinity, -.infinity] {
        for at in Set([0, count / 2, count - 1]) {
          var values = uniform("gradient", count)
          values[at] = bad
          withBuffer(values) { XCTAssertFalse(GradientNorm.norm($0).isFinite, "\(bad) at \(at) of \(count)") }
        }
      }
    }
    // Not bad, only large: squares beyond single precision.
    withBuffer([Float](repeating: .greatestFiniteMagnitude, count: 100)) {
      XCTAssertEqual(GradientNorm.norm($0), 10 * Double(Float.greatestFiniteMagnitude), accuracy: 1e30)
    }
  }

  /// `torch.nn.utils.clip_grad_norm_`: times limit / (norm + 1e-6), never more than 1.
  func testClipping() {
    withBuffer([3, 4]) { values in
      GradientNorm.clip(values, norm: 5, to: 1)
      XCTAssertEqual(values[0], 3 / 5.000001, accuracy: 1e-7)
      XCTAssertEqual(values[1], 4 / 5.000001, accuracy: 1e-7)
    }
    for limit in [5.000001, 5.1, 1e6] {
      withBuffer([3, 4]) { values in
        GradientNorm.clip(values, norm: 5, to: limit)
        XCTAssertEqual(Array(values), [3, 4], "\(limit)")
      }
    }
    let values = uniform("gradient", 200_003)
    let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    withBuffer(values) { clipped in
      GradientNorm.clip(clipped, norm: norm, to: 2)
      for i in stride(from: 0, to: values.count, by: 997) {
        XCTAssertEqual(clipped[i], Float(Double(values[i]) * 2 / (norm + 1e-6)), accuracy: 1e-7)
      }
    }
  }

  private func step(clip: String) throws -> (report: StepReport, gradients: [Float]) {
    let ranks = TestRanks.world
    let configuration = try configuration(
      classes: 3,
      """
      batch: {labeled: 4, unlabeled: 4}
      model: {encoder: resnet18, encoder_width: 0.125, width: 8, features: 8, dilations: [1, 2, 3], dropout: 0}
      optimizer: {clip_norm: \(clip)}
      schedule: {epochs: 1, steps_per_epoch: 2, supervised_epochs: 0}
      u2pl: {enabled: off, low_rank: 1, high_rank: 3}
      """)
    let trainer = try U2PLTrainer(
      configuration, schedule: Schedule(configuration, labeledCount: 8, unlabeledCount: 8), ranks: ranks)
    fillNamed(trainer.student)
    let share = 4 / ranks.size
    let examples = (ranks.rank * share..<(ranks.rank + 1) * share).map { slot in
      Example(
        height: 17, width: 17, pixels: uniform("image \(slot)", 17 * 17 * 3),
        labels: (0..<17 * 17).map { UInt8(($0 + slot) % 3) })
    }
    let report = try trainer.step(Batch(step: 0, labeled: examples, unlabeled: [], identifiers: []))
    return (report, Array(trainer.student.parameters.gradients))
  }

  /// On every number of ranks it is the norm of the one global gradient.
  func testAStepClipsTheGlobalGradient() throws {
    guard 4 % TestRanks.world.size == 0 else { throw XCTSkip("SKIPPED: 4 samples on \(TestRanks.world.size) ranks") }
    let plain = try step(clip: "null")
    XCTAssertNil(plain.report.gradientNorm)
    let norm = plain.gradients.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    XCTAssertGreaterThan(norm, 0.01)

    let loose = try step(clip: "\(norm * 2)")
    XCTAssertEqual(try XCTUnwrap(loose.report.gradientNorm), norm, accuracy: 1e-9 * norm)
    XCTAssertEqual(loose.gradients, plain.gradients)

    let tight = try step(clip: "\(norm / 4)")
    XCTAssertEqual(tight.report.gradientNorm, loose.report.gradientNorm)
    let factor = Float(norm / 4 / (norm + 1e-6))
    XCTAssertEqual(tight.gradients, plain.gradients.map { $0 * factor })
  }
}
