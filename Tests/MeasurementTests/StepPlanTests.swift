// Ranks: 1 2 4
import Configuration
import Measurement
import TestSupport
import XCTest

/// What a step on many ranks is said to send and to take. Run under mpirun too: then real steps are counted.
final class StepPlanTests: XCTestCase {
  private func settings(_ more: String = "") throws -> Configuration {
    try configuration(
      """
      batch: {labeled: 4, unlabeled: 4}
      model: {encoder: resnet18, encoder_width: 0.25, width: 16, features: 16, dilations: [1, 2, 3]}
      schedule: {epochs: 1, steps_per_epoch: 3, supervised_epochs: 0}
      \(more)
      """)
  }

  private let work = StepPlan.Work(labeled: 1, unlabeled: 1, seconds: 2, backwardShare: 0.5)

  func testBytesOfRealSteps() throws {
    let ranks = TestRanks.world
    try XCTSkipIf(ranks.size == 1, "one rank sends nothing; run it under mpirun")
    let settings = try settings("reduction: ordered")
    let sent = try StepBenchmark(settings, ranks: ranks).run(steps: 2, warmup: 1).bytesSent
    let plan = StepPlan(settings, height: 33, width: 33)
    let share = 4 / ranks.size
    let expected = plan.traffic(ranks: ranks.size, labeled: share, unlabeled: share).reduce(0) {
      $0 + $1.traffic.handedBytes
    }
    XCTAssertEqual(Double(sent), expected, accuracy: 0.02 * expected)
  }

  func testOneRankSendsNothing() throws {
    let plan = StepPlan(try settings(), height: 33, width: 33)
    XCTAssertTrue(plan.traffic(ranks: 1, labeled: 2, unlabeled: 2).isEmpty)
    let cost = plan.cost(ranks: 1, work: work, link: StepPlan.Link(latency: 1, bandwidth: 1))
    XCTAssertEqual(cost.seconds, 2)
    XCTAssertEqual(cost.efficiency, 1)
    XCTAssertNil(cost.greatest)
  }

  func testGradients() throws {
    let plan = StepPlan(try settings(), height: 33, width: 33)
    for ranks in [2, 4, 1024] {
      let gradients = plan.traffic(ranks: ranks, labeled: 1, unlabeled: 1).first { $0.part == .gradients }!
      let bytes = 2 * Double(ranks - 1) / Double(ranks) * Double(4 * plan.parameters)
      XCTAssertEqual(gradients.traffic.linkBytes, bytes, accuracy: 1)
      XCTAssertEqual(gradients.traffic.handedBytes, bytes, accuracy: 1)
    }
  }

  func testTheBackwardPassHidesWhatItCan() throws {
    // Of several buckets: the last one is never hidden.
    let plan = StepPlan(try configuration("model: {encoder: resnet18, width: 64, features: 64}"), height: 33, width: 33)
    func cost(_ bandwidth: Double) -> (cost: StepPlan.Cost, exposed: Double) {
      let cost = plan.cost(ranks: 2, work: work, link: StepPlan.Link(latency: 0, bandwidth: bandwidth))
      return (cost, cost.exposed.first { $0.part == .gradients }!.seconds)
    }
    // One second of backward pass; the exchange takes ten, and one of them is hidden at most.
    let bytes = Double(4 * plan.parameters)
    let slow = cost(bytes / 10)
    XCTAssertEqual(slow.cost.gradients, 10, accuracy: 1e-9)
    XCTAssertEqual(slow.exposed, 9, accuracy: 1e-9)
    XCTAssertEqual(slow.cost.greatest, .gradients)
    // An exchange that would fit leaves its last bucket.
    let fast = cost(bytes / 0.5)
    let buckets = (Double(plan.parameters) / Double(1 << 20)).rounded(.up)
    XCTAssertEqual(fast.exposed, 0.5 / buckets, accuracy: 1e-9)
  }

  func testLatencyCountsMessages() throws {
    let plan = StepPlan(try settings(), height: 33, width: 33)
    let traffic = plan.traffic(ranks: 4, labeled: 1, unlabeled: 1)
    // 20 batch norms in a ResNet-18 with its deep stem and 3 projections: 3 + 16 + 3; 11 in the decoder; in three passes,
    // each two doublings.
    // 34 batch norms: 3 in the stem, 16 in the blocks, 4 beside them, 11 in the decoder; two doublings in each of 3 passes.
    let norm = traffic.first { $0.part == .batchNorm }!
    XCTAssertEqual(norm.traffic.rounds, 3 * 2 * 34)
    XCTAssertEqual(traffic.first { $0.part == .mix }!.traffic.rounds, 0, "the helper's configuration mixes nothing")
    let cost = plan.cost(ranks: 4, work: work, link: StepPlan.Link(latency: 0.001, bandwidth: .infinity))
    XCTAssertEqual(cost.exposed.first { $0.part == .batchNorm }!.seconds, 0.204, accuracy: 1e-9)
  }

  func testMoreRanksNeverSpeedAStepUp() throws {
    let plan = StepPlan(try settings(), height: 33, width: 33)
    let link = StepPlan.Link(latency: 20e-6, bandwidth: 1e9)
    let seconds = [1, 2, 4, 16, 64, 256, 1024].map { plan.cost(ranks: $0, work: work, link: link).seconds }
    for (fewer, more) in zip(seconds, seconds.dropFirst()) { XCTAssertLessThan(fewer, more) }
  }
}
