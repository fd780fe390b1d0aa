import Foundation
import TestSupport
import XCTest

/// The promise: 1, 2, 4 and 8 ranks write the same bits, with everything on that draws, mixes, sums or sorts.
final class RankCountTests: CommandTestCase {
  /// 8 + 8 images a step from lists of unequal length, augmentation, CutMix, dropout, every class's queue overflowing; a
  /// supervised epoch, then two with pseudo-labels. Parameters are compared between ranks every 4 steps.
  private let everything = [
    "data={kind: shapes, size: 33, labeled: 11, unlabeled: 19, validation: 5, classes: 4}",
    "batch={labeled: 8, unlabeled: 8}", "augment.mix_probability=1", "schedule.epochs=3", "schedule.steps_per_epoch=5",
    "u2pl.capacity=300", "integrity.every_steps=4",
  ]
  private let steps = 15

  /// Trains on 1, 2, 4 and 8 ranks; all have to leave what the first leaves.
  private func assertSameBits(
    _ settings: [String] = [], terms: [String] = ["unsupervised", "contrastive", "gamma"],
    on counts: [Int] = [1, 2, 4, 8], file: StaticString = #filePath, line: UInt = #line
  ) throws {
    for ranks in counts {
      try train("on\(ranks)", everything + settings, ranks: ranks, file: file, line: line)
    }
    let lines = try metrics("on1")
    XCTAssertEqual(lines.count, steps + 3, "a line a step and one an evaluation", file: file, line: line)
    let last = try json(lines[lines.count - 2])
    for term in ["supervised"] + terms {
      XCTAssertGreaterThan(last[term] as? Double ?? 0, 0, "\(term) takes no part", file: file, line: line)
    }
    for ranks in counts.dropFirst() {
      try assertSame("on1", "on\(ranks)", lastStep: steps, file: file, line: line)
      let difference = try tool(
        "/usr/bin/h5diff", [checkpoint("on1", step: steps), checkpoint("on\(ranks)", step: steps)],
        package: "hdf5-tools", file: file, line: line)
      XCTAssertEqual(difference, "", file: file, line: line)
    }
  }

  func testEverything() throws { try assertSameBits() }

  /// As many threads on every number of ranks: how many there are is a condition of the promise, not that it is one.
  func testTwoThreadsARank() throws { try assertSameBits(["compute.threads=2"], on: [1, 2, 4]) }

  func testSupervisedOnly() throws { try assertSameBits(["u2pl.enabled=off"], terms: []) }

  func testHardExampleMining() throws {
    try assertSameBits(["loss.ohem={threshold: 0.3, min_kept: 2500}"])
    // It has to leave out pixels, or it is not tested.
    try train("plain", everything)
    XCTAssertNotEqual(try metrics("plain"), try metrics("on1"))
  }

  func testClassMix() throws { try assertSameBits(["augment.mix=classmix"]) }

  func testCutOut() throws { try assertSameBits(["augment.mix=cutout"]) }

  func testMoreUnlabeledThanLabeledImages() throws { try assertSameBits(["batch={labeled: 8, unlabeled: 16}"]) }

  func testAuxiliaryHeadAveragedBuffersAndNoLimitOnNewKeys() throws {
    try assertSameBits([
      "model.auxiliary=on", "loss.class_weights=[0.5, 1, 1, 2]", "teacher.buffers=ema", "u2pl.enqueue_per_step=null",
      "u2pl.capacity=5000",
    ])
  }

  /// Killed at five random moments, each time resumed on another number of ranks.
  func testKilledAtRandomStepsAndResumedOnOtherRanks() throws {
    // So many steps that the run cannot end before it has been killed five times, however late the kills come.
    let epochs = 24
    let settings = everything + ["checkpoint.every_steps=2", "schedule.epochs=\(epochs)"]
    try train("whole", settings)
    var state = TestSeed.fresh()
    func below(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
    var kills = 0, ranks = 4
    var isFinished = false
    for attempt in 0..<40 where !isFinished {
      let resume = attempt == 0 ? [] : ["--resume", "latest"]
      let command = try Command(training("run", settings) + resume, ranks: ranks, in: directory)
      // After the next one to three steps, or somewhere during start-up; to the end when there were kills enough.
      let target = ((try? metrics("run").count) ?? 0) + below(4)
      let limit = ProcessInfo.processInfo.systemUptime + 60
      while kills < 5, command.isRunning, ProcessInfo.processInfo.systemUptime < limit {
        if ((try? metrics("run").count) ?? 0) >= target, below(30) == 0 { break }
        usleep(5000)
      }
      if kills < 5, command.isRunning { command.kill() }
      let outcome = command.wait(limit: 120)
      isFinished = outcome.status == 0
      if outcome.status == -SIGKILL { kills += 1 } else { XCTAssertEqual(outcome.status, 0, outcome.summary) }
      ranks = [1, 2, 4, 8].filter { $0 != ranks }[below(3)]
    }
    XCTAssertGreaterThanOrEqual(kills, 5, "the run ended before it was killed five times")
    try assertSame("whole", "run", lastStep: epochs * 5)
  }

  /// Maps and channels large enough for Winograd's method, and ASPP's dilations beyond the map.
  func testLargeMaps() throws {
    for width in [128, 64] {
      let settings = [
        "data={kind: shapes, size: 97, labeled: 4, unlabeled: 4, validation: 2, classes: 4}",
        "batch={labeled: 4, unlabeled: 4}", "model.width=\(width)", "model.features=\(width)", "schedule.epochs=3",
        "schedule.steps_per_epoch=1", "schedule.supervised_epochs=1",
      ]
      for ranks in [1, 2, 4] {
        try train("on\(ranks)width\(width)", settings, ranks: ranks)
        try assertSame("on1width\(width)", "on\(ranks)width\(width)", lastStep: 3)
      }
    }
  }
}
