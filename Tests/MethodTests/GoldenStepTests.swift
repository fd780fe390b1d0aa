// Ranks: 1 2 4
import Compute
import Foundation
import TestSupport
import XCTest

/// Training steps against the PyTorch reference in float64. Under mpirun the batch is spread over the ranks.
final class GoldenStepTests: XCTestCase {
  private let ranks = TestRanks.world

  private func assertRelative(_ a: Double, _ b: Double, _ tolerance: Double, _ message: String) {
    XCTAssertLessThanOrEqual(abs(a - b), tolerance * abs(b), "\(message): \(a), reference \(b)")
  }

  func testStepsOfEachCase() throws {
    for c in try loadExpected([ReferenceCase].self, "steps.json", in: .module) {
      guard c.labeled % ranks.size == 0, c.unlabeled % ranks.size == 0 else { continue }
      let trainer = try c.trainer(ranks)
      let slow = c.name == "slow"
      for (k, expected) in c.steps.enumerated() where k == 0 || slow {
        let report = try trainer.step(
          ReferenceCase.batch(
            step: k, size: c.size, labeled: c.labeled, unlabeled: c.unlabeled, classes: c.config.classes, ranks))
        let name = "\(c.name) step \(k)"
        let tight = k == 0
        assertRelative(report.supervised, expected.supervised, tight ? 1e-5 : 1e-4, "\(name) supervised")
        assertRelative(report.gamma ?? .nan, expected.gamma, tight ? 1e-5 : 1e-4, "\(name) gamma")
        assertRelative(report.unsupervised, expected.unsupervised, tight ? 1e-5 : 1e-3, "\(name) unsupervised")
        assertRelative(report.contrastive, expected.contrastive, tight ? 1e-5 : 1e-2, "\(name) contrastive")
        assertRelative(report.alpha ?? .nan, expected.alpha, 1e-12, "\(name) alpha")
        guard tight else { continue }
        assertRelative(report.loss, expected.loss, 1e-5, "\(name) loss")
        XCTAssertEqual(report.reliable, expected.reliable, name)
        XCTAssertEqual(report.anchors, expected.classes.map { $0[0] }, name)
        XCTAssertEqual(report.negatives, expected.classes.map { $0[1] }, name)
        XCTAssertEqual(report.bank, expected.classes.map { $0[2] }, name)
      }
    }
  }

  private struct FirstStep: Decodable {
    let config: ReferenceCase.Settings
    let size, labeled, unlabeled: Int
    let gradient, student, teacher: [String: Probe]
  }

  func testGradientsAndParametersOfTheFirstStep() throws {
    let c = try loadExpected(FirstStep.self, "first-step.json", in: .module)
    guard c.labeled % ranks.size == 0 else { throw XCTSkip("2 + 2 images do not divide over \(ranks.size) ranks") }
    let trainer = try ReferenceCase.trainer(
      c.config, size: c.size, labeled: c.labeled, unlabeled: c.unlabeled, ranks)
    _ = try trainer.step(
      ReferenceCase.batch(
        step: 0, size: c.size, labeled: c.labeled, unlabeled: c.unlabeled, classes: c.config.classes, ranks))

    let parameters = trainer.student.parameters
    let largest = c.gradient.values.map(\.norm).max()!
    XCTAssertEqual(c.gradient.count, parameters.entries.count { $0.kind == .parameter })
    for entry in parameters.entries where entry.kind == .parameter {
      let expected = try XCTUnwrap(c.gradient[entry.name], entry.name).norm
      let norm = Probe(of: Array(parameters.gradient(entry))).norm
      // A bias before batch norm has no gradient but rounding: relative to the largest there.
      XCTAssertLessThanOrEqual(abs(norm - expected), max(1e-3 * expected, 1e-7 * largest), "gradient of \(entry.name)")
    }
    for (name, network, expected) in [("student", trainer.student, c.student), ("teacher", trainer.teacher, c.teacher)]
    {
      for entry in network.parameters.entries where entry.kind != .counter {
        let probe = Probe(of: Array(network.parameters.storage(entry)))
        // To 1e-5 of the tensor's norm, or of 1 where the norm is smaller: with lr = 0.01 one activation that float32
        // puts on the other side of ReLU's kink moves a bias of the stem by up to that much.
        let distance = try XCTUnwrap(expected[entry.name]).distance(to: probe, atLeast: 1)
        XCTAssertLessThanOrEqual(distance, 1e-5, "\(name) \(entry.name)")
      }
      for entry in network.parameters.entries where entry.kind == .counter {
        XCTAssertEqual(Double(network.parameters.counters[entry.offset]), expected[entry.name]?.norm, entry.name)
      }
    }
  }
}
