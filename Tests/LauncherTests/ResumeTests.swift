import Foundation
import HDF5
import XCTest

/// The number of ranks is no hyper-parameter, nor is being killed: a run killed with `kill -9` and resumed, on another
/// number of ranks too, computes the same digits and leaves the same checkpoint.
final class ResumeTests: CommandTestCase {
  /// One supervised and three semi-supervised epochs. The run does not end where a checkpoint is due.
  private let settings = [
    "batch.labeled=4", "batch.unlabeled=4", "schedule.epochs=4", "schedule.steps_per_epoch=8",
    "checkpoint.every_steps=3",
  ]
  private let steps = 32

  private func start(_ name: String, ranks: Int?, options: [String] = []) throws -> Command {
    try Command(training(name, settings) + options, ranks: ranks, in: directory)
  }

  /// Starts or goes on, and kills everything at once when there are this many lines of metrics.
  private func killed(
    _ name: String, ranks: Int?, afterLines lines: Int, options: [String] = [], file: StaticString = #filePath,
    line: UInt = #line
  ) throws {
    let command = try start(name, ranks: ranks, options: options)
    wait(for: command, name, lines: lines, file: file, line: line)
    command.kill()
    XCTAssertEqual(command.wait(limit: 10).status, -SIGKILL, "it was not killed, it ended", file: file, line: line)
  }

  /// Goes on to the end. It has to begin at a checkpoint.
  private func resume(_ name: String, ranks: Int?, file: StaticString = #filePath, line: UInt = #line) throws {
    let outcome = try train(name, settings, ranks: ranks, options: ["--resume", "latest"], file: file, line: line)
    let step = outcome.output.firstMatch(of: /resuming from .*\/step-\d+\.h5 at step (\d+)/).flatMap { Int($0.1) }
    XCTAssertGreaterThanOrEqual(step ?? 0, 3, outcome.output, file: file, line: line)
    // Every third step, and the end of an epoch of 8 whose evaluation was the best so far.
    XCTAssertTrue((step ?? 1) % 3 == 0 || (step ?? 1) % 8 == 0, outcome.output, file: file, line: line)
  }

  func testOneTwoAndFourRanksComputeTheSameBits() throws {
    for ranks in [1, 2, 4] { try train("on\(ranks)", settings, ranks: ranks) }
    try train("alone", settings)
    let lines = try metrics("on1")
    XCTAssertEqual(lines.count, steps + 4, "a line a step and one an evaluation")
    let last = try json(lines[lines.count - 2])
    XCTAssertEqual(last["step"] as? Int, steps - 1)
    for term in ["supervised", "unsupervised", "contrastive", "gamma"] {
      XCTAssertGreaterThan(last[term] as? Double ?? 0, 0, "\(term) takes no part, so nothing is known of it")
    }
    for other in ["on2", "on4", "alone"] { try assertSame("on1", other, lastStep: steps) }
    for other in ["on2", "on4"] {
      let difference = try tool(
        "/usr/bin/h5diff", [checkpoint("on1", step: steps), checkpoint(other, step: steps)], package: "hdf5-tools")
      XCTAssertEqual(difference, "")
    }
  }

  func testKilledAndResumedOnAnyNumberOfRanks() throws {
    try train("whole", settings)
    try killed("killed", ranks: 2, afterLines: 12)
    XCTAssertLessThan(try metrics("killed").count, steps)
    // What a kill in the middle of a line leaves.
    let metrics = try FileHandle(forWritingTo: URL(fileURLWithPath: path("killed/metrics.jsonl")))
    try metrics.seekToEnd()
    try metrics.write(contentsOf: Data(#"{"step":39,"epoch":3,"loss":1.2"#.utf8))
    try metrics.close()

    for ranks in [1, 2, 4] {
      try FileManager.default.copyItem(atPath: path("killed"), toPath: path("resumed\(ranks)"))
      try resume("resumed\(ranks)", ranks: ranks)
      try assertSame("whole", "resumed\(ranks)", lastStep: steps)
    }
    // A finished run has nothing left to do.
    let outcome = try train("resumed2", settings, ranks: 2, options: ["--resume", "latest"])
    XCTAssertTrue(outcome.output.contains("step-00000032.h5 at step 32"), outcome.output)
    try assertSame("whole", "resumed2", lastStep: steps)
  }

  func testKilledAgainAndAgain() throws {
    try train("whole", settings)
    // Before the first pseudo-label, alone; then after the teacher has begun.
    try killed("run", ranks: nil, afterLines: 5)
    try killed("run", ranks: 4, afterLines: 12, options: ["--resume", "latest"])
    try killed("run", ranks: 2, afterLines: 19, options: ["--resume", "latest"])
    try resume("run", ranks: nil)
    try assertSame("whole", "run", lastStep: steps)
  }

  /// The ranks that are left must not wait for ever for one that is gone.
  func testOneRankKilled() throws {
    let command = try start("run", ranks: 2)
    wait(for: command, "run", lines: 12)
    let ranks = command.descendants
    XCTAssertEqual(ranks.count, 2)
    kill(ranks[1], SIGKILL)
    let killed = ProcessInfo.processInfo.systemUptime
    while command.isRunning, ProcessInfo.processInfo.systemUptime < killed + patience { usleep(10_000) }
    XCTAssertFalse(command.isRunning, "\(patience) s after a rank was killed the others still run")
    let outcome = command.wait(limit: 0)
    XCTAssertNotEqual(outcome.status, 0, outcome.summary)

    try train("whole", settings)
    try resume("run", ranks: 1)
    try assertSame("whole", "run", lastStep: steps)
  }

  func testResumeLatestWithoutACheckpointStartsFromTheBeginning() throws {
    let outcome = try train("run", ranks: 2, options: ["--resume", "latest"])
    XCTAssertTrue(outcome.output.contains("starting from the beginning"), outcome.output)
    try train("whole")
    try assertSame("whole", "run", lastStep: 6)
  }

  /// A kill after a checkpoint was put in place and before it was linked, which a whole run is made to look like.
  func testResumingMendsTheLinks() throws {
    // The last evaluation is the best, or another; the links are wrong in any case.
    try train("whole", settings)
    let links = try ["latest", "best"].map { name in
      let link = path("whole/checkpoints/\(name)")
      return (link, try FileManager.default.destinationOfSymbolicLink(atPath: link))
    }
    for (link, _) in links {
      try FileManager.default.removeItem(atPath: link)
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "step-00000030.h5")
    }
    try train("whole", settings, ranks: 2, options: ["--resume", "latest"])
    for (link, target) in links {
      XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: link), target)
    }
  }

  /// Going back in the same directory gives up the later checkpoints.
  func testResumingFromAnEarlierStep() throws {
    try train("whole", settings)
    try FileManager.default.copyItem(atPath: path("whole"), toPath: path("run"))
    try train("run", settings, options: ["--resume", checkpoint("run", step: 30)])
    try assertSame("whole", "run", lastStep: steps)
    let names = try FileManager.default.contentsOfDirectory(atPath: path("run/checkpoints"))
    XCTAssertTrue(names.contains("step-00000032.h5.superseded"), "\(names)")
  }

  /// A checkpoint goes on in another run directory too, from its step.
  func testResumingFromAFile() throws {
    try train("whole", settings)
    let outcome = try train("other", settings, ranks: 2, options: ["--resume", checkpoint("whole", step: 30)])
    XCTAssertTrue(outcome.output.contains("step-00000030.h5 at step 30"), outcome.output)
    XCTAssertEqual(try metrics("other"), try metrics("whole").suffix(3))
    let last = (checkpoint("other", step: steps), checkpoint("whole", step: steps))
    XCTAssertTrue(FileManager.default.contentsEqual(atPath: last.0, andPath: last.1))
  }
}
