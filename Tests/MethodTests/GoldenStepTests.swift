// Ranks: 1 2 3 4
import Foundation
import Network
import TestSupport
import Method
import XCTest

/// Training steps against the PyTorch reference in float64: what every step reports, and gradients, parameters and
/// running statistics after some. Under mpirun the batch is spread over the ranks.
final class GoldenStepTests: XCTestCase {
  private let ranks = TestRanks.world

  /// The published widths.
  func testDefault() throws { try assertFollowsReference("default", .wide) }
  /// ResNet-50's blocks, with the classic stem, multi-grid and output stride 16.
  func testBottlenecks() throws { try assertFollowsReference("bottlenecks", .wide) }
  func testTwoClasses() throws { try assertFollowsReference("two-classes", .narrow) }
  /// Every entry of every gradient of the first of ten steps, in which the bank overflows and α falls.
  func testTenSteps() throws { try assertFollowsReference("ten-steps", .narrow) }
  /// CutMix in some steps, padding, dropout, a clipped gradient, a faster decoder, averaged buffers; on 3 ranks too.
  func testCutMix() throws { try assertFollowsReference("cutmix", .narrow) }
  /// ClassMix after an epoch of supervised steps; padding, dropout, auxiliary head, hard-example mining by rank, class
  /// weights.
  func testClassMix() throws { try assertFollowsReference("classmix", .narrow) }
  /// CutOut, padding, hard-example mining by threshold, no limit on new keys, the classic stem, output stride 16.
  func testCutOut() throws { try assertFollowsReference("cutout", .narrow) }

  /// Copy-paste, Dice loss, pseudo-labels that count by 0.4, a teacher that follows from the first of many supervised steps and
  /// as closely as the length of the run says.
  func testCopyPaste() throws { try assertFollowsReference("copypaste", .narrow) }
  /// AdamW along a cosine with warm-up, thresholds by class, averaged buffers.
  func testAdamW() throws { try assertFollowsReference("adamw", .narrow) }

  /// Every row in which the published program differs from the equations, in supervised steps, in the epoch in which the teacher
  /// is the student, and after it.
  func testPublished() throws { try assertFollowsReference("published", .narrow) }
  /// Positives averaged over steps.
  func testAnchorEMA() throws { try assertFollowsReference("anchor-ema", .narrow) }

  /// How far single precision may be from the reference; some ten times what was measured.
  private struct Tolerance {
    /// Of a number that a step reports, in units of its mean change from step to step over the case.
    let report: Double
    /// Of an entry of a gradient, or of a change of a parameter or statistic, in units of the tensor's root mean square:
    /// after the first step, and after later ones, which start from parameters that differ in their rounding.
    let first, later: Double

    /// Few activations: none is so near to 0 that single precision puts it on the other side of ReLU's kink.
    static let narrow = Tolerance(report: 0.02, first: 2e-3, later: 0.05)
    /// Some of many activations are on the other side, and each moves entries of all layers before it.
    static let wide = Tolerance(report: 0.05, first: 0.2, later: 0.2)
  }

  private func assertFollowsReference(_ name: String, _ tolerance: Tolerance) throws {
    let reference = try ReferenceCase.load(name)
    guard reference.labeled % ranks.size == 0, reference.unlabeled % ranks.size == 0 else {
      throw XCTSkip(
        "SKIPPED: \(reference.labeled) + \(reference.unlabeled) images do not divide over \(ranks.size) ranks")
    }
    let trainer = try ReferenceTrainer(reference, ranks)
    var tensors = try ReferenceTensors(name)
    let start = (student: Snapshot(trainer.student), teacher: Snapshot(trainer.teacher))
    for (k, step) in reference.steps.enumerated() {
      let place = "\(name), step \(k)"
      assertReport(try trainer.step(k), step, reference, tolerance.report, place)
      guard reference.recorded.contains(k) else { continue }
      let entry = k == 0 ? tolerance.first : tolerance.later
      let limit = k == reference.recorded[0] ? reference.gradient_entries : ReferenceTensors.entries
      let still = assertGradients(trainer.student, &tensors, limit: limit, entry, place)
      for (network, parameters, before) in [
        ("student", trainer.student, start.student), ("teacher", trainer.teacher, start.teacher),
      ] {
        let updates = Updates(
          count: k + 1, areAveraged: network == "teacher" && reference.config.teacher_start == "beginning",
          meaningless: reference.config.optimizer == "adamw" ? still : [])
        assertChanges(parameters, since: before, updates, &tensors, entry, "\(place), \(network)")
      }
    }
    func counters(_ network: Parameters) -> String { network.counters.map(String.init).joined(separator: " ") }
    XCTAssertEqual(counters(trainer.student), reference.counters.student, "\(name): counters of the student")
    XCTAssertEqual(counters(trainer.teacher), reference.counters.teacher, "\(name): counters of the teacher")
    XCTAssertTrue(tensors.isAtEnd, "\(name): more is recorded than was compared")
  }

  /// Counts have to be equal, numbers to differ by no more than a small part of what they change by from step to step: so
  /// a number that stands still, or is a step late, is found.
  private func assertReport(
    _ report: StepReport, _ step: ReferenceCase.Step, _ reference: ReferenceCase, _ tolerance: Double, _ place: String
  ) {
    for (name, expected) in step.counts { XCTAssertEqual(report.counts[name], expected, "\(place): \(name)") }
    for (name, expected) in step.numbers {
      guard let number = report.numbers[name] ?? nil, let expected else {
        XCTAssertEqual(report.numbers[name] ?? nil, expected, "\(place): \(name)")
        continue
      }
      // What follows from the schedule alone is exact.
      let allowed = ["alpha", "learning rate"].contains(name) ? 1e-12 : tolerance * reference.meanChange(of: name)
      XCTAssertEqual(number, expected, accuracy: allowed, "\(place): \(name)")
    }
  }

  /// - Returns: parameters that no loss depends on.
  private func assertGradients(
    _ parameters: Parameters, _ tensors: inout ReferenceTensors, limit: Int?, _ tolerance: Double, _ place: String
  ) -> Set<String> {
    var before = 0.0
    var still = Set<String>()
    for entry in parameters.entries where entry.kind == .parameter {
      let (record, gradient) = (tensors.next(count: entry.count, limit: limit), parameters.gradient(entry))
      // A bias before batch norm has no gradient but the rounding of its layer's, whose weight stands before it.
      let rounding = entry.name.hasSuffix(".bias") ? 1e-5 * before : 0
      before = record.rms
      if record.rms < 1e-12 { still.insert(entry.name) }
      let worst = record.distance { Double(gradient[$0]) }
      XCTAssertLessThanOrEqual(worst, tolerance * record.rms + rounding, "\(place): gradient of \(entry.name)")
    }
    return still
  }

  /// What has changed a network since the start.
  private struct Updates {
    let count: Int
    /// Whether each is an average with another network, which rounds also what is equal in both.
    let areAveraged: Bool
    /// Parameters without gradient, of whose rounding AdamW makes steps like any other.
    let meaningless: Set<String>
  }

  /// What parameters and running statistics have changed by. No change at all is never within the tolerance.
  private func assertChanges(
    _ parameters: Parameters, since start: Snapshot, _ updates: Updates, _ tensors: inout ReferenceTensors,
    _ tolerance: Double, _ place: String
  ) {
    for entry in parameters.entries where entry.kind != .counter {
      let record = tensors.next(count: entry.count, limit: ReferenceTensors.entries)
      guard !updates.meaningless.contains(entry.name) else { continue }
      let (now, before) = (parameters.storage(entry), start[entry])
      // Every update rounds to the parameter's precision.
      let rounding =
        record.rms > 0 || updates.areAveraged
        ? Double(updates.count) * before.reduce(0) { max($0, Double(abs($1).ulp)) } : 0
      let allowed = tolerance * record.rms + rounding
      let worst = record.distance { Double(now[$0]) - Double(before[$0]) }
      XCTAssertLessThanOrEqual(worst, allowed, "\(place): change of \(entry.name)")
      XCTAssertTrue(record.rms == 0 || allowed < record.rms, "\(place): \(entry.name) might as well stand still")
    }
  }
}

/// A copy of a network's parameters and running statistics.
private struct Snapshot {
  private let values, buffers: [Float]

  init(_ parameters: Parameters) {
    (values, buffers) = (Array(parameters.values), Array(parameters.buffers))
  }

  subscript(_ entry: ParameterEntry) -> [Float] {
    Array(entry.kind == .parameter ? values[entry.range] : buffers[entry.range])
  }
}
