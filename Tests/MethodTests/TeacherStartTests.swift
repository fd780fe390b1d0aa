import Compute
import Configuration
import Foundation
import Method
import Network
import TestSupport
import Transforms
import XCTest

/// When the teacher starts to follow, in supervised steps.
final class TeacherStartTests: XCTestCase {
  private let (size, classes) = (33, 4)

  private func trainer(_ start: String) throws -> U2PLTrainer {
    let configuration = try configuration(
      classes: classes,
      """
      batch: {labeled: 2, unlabeled: 2}
      model: {encoder: resnet18, encoder_width: 0.125, width: 8, features: 8, dilations: [1, 2, 3], dropout: 0}
      schedule: {epochs: 1, steps_per_epoch: 9}
      u2pl: {enabled: off, ema_decay: 0.6}
      teacher: {start: \(start)}
      """)
    let trainer = try U2PLTrainer(
      configuration, schedule: Schedule(configuration, labeledCount: 8, unlabeledCount: 8), ranks: .alone)
    fillNamed(trainer.student)
    return trainer
  }

  private func step(_ trainer: U2PLTrainer) throws {
    let examples = (0..<2).map { slot in
      Example(
        height: size, width: size, pixels: uniform("image \(trainer.step) \(slot)", 3 * size * size),
        labels: blockLabels("label \(slot)", count: 1, size: size, classes: classes, block: 5))
    }
    _ = try trainer.step(Batch(step: trainer.step, labeled: examples, unlabeled: [], identifiers: []))
  }

  /// a = 0, 1/2, and then the limit 0.6; running statistics follow alike.
  func testFromTheBeginning() throws {
    let trainer = try trainer("beginning")
    XCTAssertTrue(trainer.evaluated === trainer.student)
    var values = [Double](repeating: 0, count: trainer.student.parameters.values.count)
    var buffers = [Double](repeating: 0, count: trainer.student.parameters.buffers.count)
    for a in [0, 0.5, 0.6, 0.6] {
      try step(trainer)
      XCTAssertTrue(trainer.evaluated === trainer.teacher)
      let student = trainer.student.parameters
      values = zip(values, student.values).map { a * $0 + (1 - a) * Double($1) }
      buffers = zip(buffers, student.buffers).map { a * $0 + (1 - a) * Double($1) }
    }
    for (got, expected) in zip(trainer.teacher.parameters.values, values) {
      XCTAssertEqual(Double(got), expected, accuracy: 1e-5)
    }
    for (got, expected) in zip(trainer.teacher.parameters.buffers, buffers) {
      XCTAssertEqual(Double(got), expected, accuracy: 1e-5)
    }
    XCTAssertNotEqual(Array(trainer.teacher.parameters.values), Array(trainer.student.parameters.values))
  }

  func testWithPseudoLabelsOnly() throws {
    let trainer = try trainer("pseudo_labels")
    let before = Array(trainer.teacher.parameters.values)
    try step(trainer)
    XCTAssertTrue(trainer.evaluated === trainer.student)
    XCTAssertEqual(Array(trainer.teacher.parameters.values), before)
  }
}
