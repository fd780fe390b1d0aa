import Foundation
import XCTest

/// The promise with every part of the recipe for few labels on: the same bits at 1, 2 and 4 ranks and after a resume on another
/// number.
final class RecipeTests: CommandTestCase {
  private let everything = [
    "data={kind: shapes, size: 33, labeled: 11, unlabeled: 19, validation: 5, classes: 5, balance: 0.5}",
    "batch={labeled: 4, unlabeled: 8}", "augment.crop=25", "augment.scale=[0.7, 1.5]", "augment.mix_probability=0.7",
    "augment.mix_draw=image", "augment.cutmix_area=[0.2, 0.6]",
    "augment.strong={color: [0.4, 0.4, 0.4, 0.1], grey_probability: 0.3, blur: 1}",
    "optimizer={kind: adamw, learning_rate: 0.003, schedule: cosine, warmup_steps: 4}", "loss.dice=0.7",
    "u2pl.threshold=class", "u2pl.ema_decay=auto", "teacher.start=beginning", "schedule.epochs=3",
    "schedule.steps_per_epoch=5", "u2pl.capacity=300", "integrity.every_steps=4",
    "checkpoint={every_steps: 4, keep: 9}",
  ]
  private let steps = 15

  private func assertSameBits(_ settings: [String] = [], line: UInt = #line) throws {
    for ranks in [1, 2, 4] { try train("on\(ranks)", everything + settings, ranks: ranks, line: line) }
    let last = try json(metrics("on1").last { $0.contains("\"reliable\"") }!)
    for term in ["supervised", "unsupervised", "contrastive"] {
      XCTAssertGreaterThan(last[term] as? Double ?? 0, 0, "\(term) takes no part", line: line)
    }
    for ranks in [2, 4] { try assertSame("on1", "on\(ranks)", lastStep: steps, line: line) }
    // From the supervised epoch, and from amid pseudo-labels.
    for (step, ranks) in [(4, 2), (8, 4), (12, 1)] {
      let name = "from\(step)"
      try train(
        name, everything + settings, ranks: ranks, options: ["--resume", checkpoint("on2", step: step)], line: line)
      XCTAssertTrue(
        FileManager.default.contentsEqual(
          atPath: checkpoint("on1", step: steps), andPath: checkpoint(name, step: steps)),
        "resumed at step \(step) on \(ranks) ranks: another end", line: line)
    }
  }

  func testEverything() throws { try assertSameBits() }

  func testCopyPaste() throws { try assertSameBits(["augment.mix=copypaste", "u2pl.threshold=global"]) }

  /// 40 windows of a step: pseudo-labels start by themselves, and what they count by is in the checkpoint.
  func testStartThatTheRunDecides() throws {
    let settings =
      everything + [
        "schedule={epochs: 4, steps_per_epoch: 10, supervised_epochs: auto}", "checkpoint={every_steps: 5, keep: 9}",
      ]
    for ranks in [1, 2, 4] {
      let outcome = try train("auto\(ranks)", settings, ranks: ranks)
      XCTAssertTrue(outcome.output.contains("pseudo-labels from step "), outcome.output)
    }
    let lines = try metrics("auto1").map { try json($0) }
    let weights = lines.compactMap { $0["weight"] as? Double }
    XCTAssertGreaterThan(weights.count, 15)
    XCTAssertGreaterThan(Set(weights).count, 5)
    XCTAssertEqual(lines.compactMap { $0["evidence"] as? [String: Any] }.count, 36)
    for ranks in [2, 4] { try assertSame("auto1", "auto\(ranks)", lastStep: 40) }
    for (step, ranks) in [(5, 2), (20, 4), (30, 1), (35, 2)] {
      try train("auto-from\(step)", settings, ranks: ranks, options: ["--resume", checkpoint("auto2", step: step)])
      XCTAssertTrue(
        FileManager.default.contentsEqual(
          atPath: checkpoint("auto1", step: 40), andPath: checkpoint("auto-from\(step)", step: 40)),
        "resumed at step \(step) on \(ranks) ranks: another end")
    }
    let few = try train("few", settings + ["data.labeled=7"])
    XCTAssertTrue(
      few.output.contains("there are 7, and 8 are needed; pseudo-labels start after 3/10 of the run and count in full"),
      few.output)
    let steps = try metrics("few").map { try json($0) }
    XCTAssertEqual(steps.first { $0["alpha"] is Double }?["step"] as? Int, 12)
    XCTAssertTrue(steps.allSatisfy { $0["weight"] as? Double ?? 1 == 1 && $0["evidence"] == nil })
  }

  /// As the published program: what it says of that, also on more than one rank, and a resumed run that ends alike.
  func testPublishedSemantics() throws {
    let settings = everything + ["teacher.start=pseudo_labels", "semantics=published", "semantics.anchor_ema=on"]
    let outcome = try train("published", settings)
    XCTAssertTrue(
      outcome.output.contains("warning: semantics: as the published program in one process: rectangle, padding, "),
      outcome.output)
    XCTAssertTrue(outcome.output.contains("outside the promise of the same bits"), outcome.output)
    for step in [4, 8] {
      try train("from\(step)", settings, options: ["--resume", checkpoint("published", step: step)])
      XCTAssertTrue(
        FileManager.default.contentsEqual(
          atPath: checkpoint("published", step: steps), andPath: checkpoint("from\(step)", step: steps)))
    }
    try train("equations", everything + ["teacher.start=pseudo_labels"])
    XCTAssertFalse(
      FileManager.default.contentsEqual(
        atPath: checkpoint("published", step: steps), andPath: checkpoint("equations", step: steps)))
    try train("on2", settings, ranks: 2)
    try assertRefused(
      training("run", everything + ["semantics=published"]), at: [nil], saying: "set teacher.start to pseudo_labels")
  }

  /// Each part has to change what is computed, or the test above shows nothing of it.
  func testEachPartTakesPart() throws {
    try train("all", everything)
    for without in [
      "data.balance=0", "augment.mix_draw=step", "augment.cutmix_area=0.5", "augment.strong.color=off",
      "augment.strong.grey_probability=0", "augment.strong.blur=off", "optimizer.kind=sgd", "optimizer.schedule=poly",
      "optimizer.warmup_steps=0", "loss.dice=0", "u2pl.threshold=global", "u2pl.ema_decay=0.99",
      "teacher.start=pseudo_labels",
    ] {
      try train(without, everything + [without])
      XCTAssertFalse(
        FileManager.default.contentsEqual(
          atPath: checkpoint("all", step: steps), andPath: checkpoint(without, step: steps)), without)
    }
  }

  func testAnotherOptimizerCannotGoOn() throws {
    try train("run", everything)
    try assertRefused(
      training("other", everything + ["optimizer.kind=sgd"]) + ["--resume", checkpoint("run", step: 8)],
      saying: "has the state of optimizer.kind adamw", "--set optimizer.kind=adamw")
  }

  func testOneLabeledImageIsRefused() throws {
    try assertRefused(
      training("run", ["batch.labeled=1"]), at: [nil], saying: "batch.labeled: 1", "Set batch.labeled to 2")
  }

  func testALowRankThatLeavesNoNegativesIsTold() throws {
    let outcome = try train("run", everything + ["u2pl.low_rank=5", "u2pl.high_rank=6"])
    XCTAssertTrue(
      outcome.output.contains("warning: u2pl.low_rank 5 with 5 classes: no unlabeled pixel is ever a negative"),
      outcome.output)
  }
}
