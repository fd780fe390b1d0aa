import Foundation
import XCTest

/// A resume with another configuration, other lists, threads or libraries: what differs is said with its effect, and
/// what would make the rest of the run no continuation is refused.
final class ResumeChangesTests: CommandTestCase {
  private let latest = ["--resume", "latest"]

  private func resume(_ settings: [String], changed: Bool = false) -> [String] {
    training("run", settings) + latest + (changed ? ["--resume-changed"] : [])
  }

  private func assertSays(
    _ parts: [String], _ outcome: Command.Outcome, status: Int32 = 0, line: UInt = #line
  ) {
    XCTAssertEqual(outcome.status, status, outcome.summary, line: line)
    for part in parts where !outcome.output.contains(part) {
      XCTFail("“\(part)” is not said: \(outcome.summary)", line: line)
    }
  }

  /// 3 epochs of 2 steps, and on to 6: the rates are 0.01 · (1 − 5/6)^0.9 and 0.01 · (1 − 6/12)^0.9.
  func testWhatDiffersIsSaidWithItsEffect() throws {
    try train("run")
    let outcome = try run(
      resume(["schedule.epochs=6", "optimizer.clip_norm=5", "checkpoint.keep=9", "run.directory=x"]), ranks: 2)
    assertSays(
      [
        "changed since the checkpoint:\n",
        "  schedule.epochs 3 → 6: the learning rate goes from 0.00199 to 0.00536, α from 0.0667 to 0.1\n",
        "  optimizer.clip_norm null → 5.0: from step 6 on\n", "  checkpoint.keep 3 → 9: ",
      ], outcome)
    XCTAssertFalse(outcome.output.contains("run.directory"), outcome.summary)
    XCTAssertEqual(try metrics("run").count, 12 + 6)
    let log = try String(contentsOfFile: path("run/logs/rank-0000.log"), encoding: .utf8)
    XCTAssertTrue(log.contains("warning: changed since the checkpoint: schedule.epochs 3 → 6: "), log)
    // The same again is no difference.
    let again = try run(resume(["schedule.epochs=6", "optimizer.clip_norm=5", "checkpoint.keep=9"]))
    XCTAssertFalse(again.output.contains("changed since"), again.summary)
  }

  func testAFinishedRunSaysSo() throws {
    try train("run")
    assertSays(["the run is finished: 6 of 6 steps"], try run(resume([]), ranks: 2))
  }

  func testFewerEpochsThanDone() throws {
    try train("run")
    let words = [
      "6 steps are done, and schedule.epochs 2 of 2 steps end at step 4; set schedule.epochs to 3 or more"
    ]
    try assertRefused(resume(["schedule.epochs=2"]), saying: words)
    try assertRefused(resume(["schedule.epochs=2"], changed: true), at: [nil], saying: words)
  }

  func testWhatCannotChange() throws {
    try train("run", ["checkpoint.every_steps=1", "checkpoint.keep=9"])
    let point = ["--resume", checkpoint("run", step: 4)]
    func resume(_ settings: [String]) -> [String] { training("other", settings) + point }
    for (setting, words) in [
      ("run.seed=8", "run.seed 7 → 8: order, augmentation"), ("batch.labeled=4", "batch.labeled 2 → 4: "),
      ("batch={unlabeled: 1}", "batch.unlabeled 2 → 1: "), ("data.labeled=6", "data.labeled 5 → 6 (5 → 6 entries): "),
      ("data.unlabeled=4", "data.unlabeled 7 → 4 (7 → 4 entries): "), ("data.shuffle=off", "data.shuffle on → off: "),
      ("data.seed=4", "data.seed 0 → 4: the images would be others"), ("data.mean=[1, 2, 3]", "data.mean ["),
      ("schedule.supervised_epochs=3", "pseudo-labels have been used for 2 steps and would stop until step 6"),
      ("u2pl.enabled=off", "pseudo-labels have been used for 2 steps and would stop until the end"),
      ("schedule.steps_per_epoch=5", "would stop until step 5"),
    ] {
      try assertRefused(resume([setting]), at: [nil], saying: words, "--resume-changed", "--set model.weights=")
    }
    try assertRefused(resume(["run.seed=8"]), at: [2], saying: "run.seed 7 → 8")

    // By the flag and by name, and not by the flag alone.
    try write("other.yaml", tinyConfiguration().replacingOccurrences(of: "{seed: 7}", with: "{seed: 8}"))
    let file = training("other", ["batch.labeled=4"], config: "other.yaml") + point + ["--resume-changed"]
    try assertRefused(file, at: [nil], saying: "run.seed 7 → 8")
    let outcome = try run(training("other", ["run.seed=8", "batch={labeled: 4}"]) + point + ["--resume-changed"])
    assertSays(["  run.seed 7 → 8: ", "  batch.labeled 2 → 4: ", "at step 4"], outcome)
    // Validation images may be others.
    assertSays(
      ["  data.validation 5 → 3 (5 → 3 entries): evaluations do not compare"],
      try run(training("third", ["data.validation=3"]) + point))
  }

  /// The same path, with other lines; and other lines, by which an epoch gets longer.
  func testListsThatHaveOtherContents() throws {
    let options = [
      "--classes", "4", "--size", "33", "--labeled", "5", "--unlabeled", "7", "--validation", "5", "--seed", "11",
    ]
    let shapes = try run(["data", "shapes", "-o", "mine"] + options)
    XCTAssertEqual(shapes.status, 0, shapes.summary)
    let list = "splits/unlabeled.txt"
    try write(
      "mine.yaml",
      tinyConfiguration(
        data: "{kind: voc, root: mine, labeled: splits/labeled.txt, unlabeled: \(list), classes: classes.txt}"))
    let train = training("run", ["schedule.steps_per_epoch=null", "schedule.epochs=2"], config: "mine.yaml")
    let outcome = try run(train)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let lines = try String(contentsOfFile: path("mine/\(list)"), encoding: .utf8).split(separator: "\n")
    try write("mine/\(list)", lines.reversed().joined(separator: "\n") + "\n")
    try assertRefused(train + latest, saying: "data.unlabeled (7 entries, other ones): ")
    try write("mine/\(list)", (lines + lines.prefix(2)).joined(separator: "\n") + "\n")
    try assertRefused(train + latest, at: [nil], saying: "data.unlabeled (7 → 9 entries): ")
    // Another name for the same list is no other list.
    try write("mine/copy.txt", lines.joined(separator: "\n") + "\n")
    let copy = try run(train + latest + ["--set", "data.unlabeled=copy.txt"])
    XCTAssertEqual(copy.status, 0, copy.summary)
    XCTAssertFalse(copy.output.contains("changed since"), copy.summary)
  }

  /// Without `compute.threads` a run goes on with as many threads as it had, on any number of ranks.
  func testThreadsOfACheckpoint() throws {
    let threads = ["compute.threads=3", "batch={labeled: 4, unlabeled: 4}", "checkpoint={every_steps: 1, keep: 9}"]
    let free = threads + ["compute.threads=null"]
    try train("run", threads)
    for ranks in [nil, 2] {
      let outcome = try run(
        training("other\(ranks ?? 1)", free) + ["--resume", checkpoint("run", step: 3)], ranks: ranks)
      assertSays(["3 threads", "as the run had,"], outcome)
      XCTAssertFalse(outcome.output.contains("changed since"), outcome.summary)
      let log = try String(contentsOfFile: path("other\(ranks ?? 1)/logs/rank-0000.log"), encoding: .utf8)
      XCTAssertTrue(log.contains("and runs 3 threads"), log)
      XCTAssertEqual(try metrics("other\(ranks ?? 1)"), try metrics("run").suffix(5))
    }
    let outcome = try run(
      training("fewer", threads + ["compute.threads=2"]) + ["--resume", checkpoint("run", step: 3)])
    assertSays(["  threads of a rank 3 → 2: some sums are split by threads"], outcome)
    let shown = try run(["inspect", checkpoint("run", step: 3)])
    for name in ["threads                  3", "onednn", "openblas", "labeled_list             5 "] {
      XCTAssertTrue(shown.output.contains(name), shown.summary)
    }
  }

  /// OpenBLAS chooses among its kernels by this variable before it looks at the processor.
  func testOtherKernels() throws {
    try train("run")
    let line = [try Command.program()] + resume(["schedule.epochs=4"])
    let outcome = try Command(line: line, in: directory, environment: ["OPENBLAS_CORETYPE": "Sandybridge"]).wait(
      limit: 60)
    assertSays(["  OpenBLAS ", " Sandybridge: its products may round differently"], outcome)
  }

  func testTheFlagAlone() throws {
    let outcome = try run(training("run") + ["--resume-changed"])
    XCTAssertEqual(outcome.status, 64, outcome.summary)
    XCTAssertTrue(outcome.errors.contains("--resume-changed is for a resumed run"), outcome.summary)
  }
}
