// Alone: sends signals at certain steps of a run.
import Foundation
import HDF5
import XCTest

/// A signal ends a run in order: a checkpoint after the current step, exit code 75, and the rest can be gone on with.
final class SignalTests: CommandTestCase {
  private let settings = ["schedule.epochs=4", "schedule.steps_per_epoch=8", "checkpoint.every_steps=100"]
  private let steps = 32

  /// Sends a signal to a rank, or to the launcher itself, when there are metrics of some steps.
  private func stop(_ run: String, ranks: Int?, signal number: Int32, rank: Int?) throws -> Command.Outcome {
    let command = try Command(training(run, settings), ranks: ranks, in: directory)
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while ((try? metrics(run).count) ?? 0) < 11, command.isRunning, ProcessInfo.processInfo.systemUptime < limit {
      usleep(2000)
    }
    if let rank { kill(command.descendants[rank], number) } else { command.send(number) }
    let outcome = command.wait(limit: 60)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    return outcome
  }

  private func assertStops(
    ranks: Int?, signal number: Int32, rank: Int?, saying text: String, line: UInt = #line
  ) throws {
    let name = "run-\(ranks ?? 1)-\(number)-\(rank ?? -1)"
    let outcome = try stop(name, ranks: ranks, signal: number, rank: rank)
    XCTAssertEqual(outcome.status, 75, outcome.summary, line: line)
    XCTAssertTrue(outcome.output.contains(text), "“\(text)” is not said: \(outcome.summary)", line: line)
    let done = try metrics(name).filter { !$0.contains("evaluation") }.count
    XCTAssertLessThan(done, steps, line: line)
    XCTAssertTrue(
      FileManager.default.fileExists(atPath: checkpoint(name, step: done)), "no checkpoint after step \(done)",
      line: line)
    // On another number of ranks.
    try train(name, settings, ranks: ranks == 2 ? nil : 2, options: ["--resume", "latest"], line: line)
    try assertSame("whole", name, lastStep: steps, line: line)
  }

  func testTheRunGoesOnWhereASignalHasStoppedIt() throws {
    try train("whole", settings)
    try assertStops(ranks: nil, signal: SIGTERM, rank: nil, saying: "rank 0 received SIGTERM")
    try assertStops(ranks: nil, signal: SIGINT, rank: nil, saying: "rank 0 received SIGINT")
    try assertStops(ranks: 2, signal: SIGTERM, rank: 1, saying: "rank 1 received SIGTERM")
    try assertStops(ranks: 2, signal: SIGUSR1, rank: 0, saying: "rank 0 received SIGUSR1")
    // The terminal is closed.
    try assertStops(ranks: nil, signal: SIGHUP, rank: nil, saying: "rank 0 received SIGHUP")
    // mpirun passes it on.
    try assertStops(ranks: 2, signal: SIGUSR1, rank: nil, saying: "received SIGUSR1")
  }

  private func link(_ run: String, _ name: String) throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: path("\(run)/checkpoints/\(name)"))
  }

  private func inspection(_ name: String) throws -> String {
    try run(["inspect", "\(name)/checkpoints/latest"]).output
  }

  /// In the step before an evaluation is due: the checkpoint comes at once, and the evaluation after the resume, where it is
  /// in the run that nobody stopped. At the end of the first epoch and at that of the run.
  func testAnEvaluationThatIsDueIsLeftToTheResumedRun() throws {
    let settings = settings + ["checkpoint.every_steps=8", "checkpoint.keep=9"]
    try train("whole", settings)
    for (ranks, last) in [(nil, 7), (2, 31)] as [(Int?, Int)] {
      let run = "run-\(last)"
      let command = try Command(
        training(run, settings), ranks: ranks, in: directory,
        environment: ["U2PL_TEST_DELAY": "0:\(last):3", "U2PL_TESTING": "1"])
      let limit = ProcessInfo.processInfo.systemUptime + 60
      while !((try? metrics(run))?.contains { $0.hasPrefix("{\"step\":\(last - 1),") } ?? false), command.isRunning,
        ProcessInfo.processInfo.systemUptime < limit
      { usleep(2000) }
      command.send(SIGUSR1)
      let outcome = command.wait(limit: 60)
      XCTAssertEqual(outcome.status, 75, outcome.summary)
      XCTAssertTrue(outcome.output.contains("continues from it, with the evaluation that is due"), outcome.summary)
      let line = try XCTUnwrap(try metrics(run).last)
      XCTAssertEqual(try json(line)["step"] as? Int, last, "a step more than the one it was in: \(line)")
      XCTAssertFalse(line.contains("evaluation"), line)
      let stopped = try inspection(run)
      XCTAssertTrue(stopped.contains("evaluation_pending"), stopped)

      // A kill after the evaluation of a resumed run leaves its line, but no checkpoint that says so.
      let metrics = try FileHandle(forWritingTo: URL(fileURLWithPath: path("\(run)/metrics.jsonl")))
      try metrics.seekToEnd()
      try metrics.write(contentsOf: Data(#"{"step":\#(last),"epoch":0,"evaluation":{}}\#n"#.utf8))
      try metrics.close()
      try train(run, settings, ranks: ranks == 2 ? nil : 2, options: ["--resume", "latest"])
      try assertSame("whole", run, lastStep: steps)
      XCTAssertEqual(try link(run, "best"), try link("whole", "best"))
      for step in [last + 1, steps] {
        XCTAssertTrue(
          FileManager.default.contentsEqual(
            atPath: checkpoint("whole", step: step), andPath: checkpoint(run, step: step)), "step \(step)")
      }
    }
  }

  /// A running evaluation is given up, on every rank.
  func testARunningEvaluationIsGivenUp() throws {
    let long = [
      "data={kind: shapes, size: [200, 300], labeled: 5, unlabeled: 7, validation: 40, classes: 4}",
      "schedule={epochs: 1, steps_per_epoch: 2, supervised_epochs: 1}", "augment.crop=65",
      "evaluate={mode: sliding, scales: [1, 1.5], flip: on}",
    ]
    let command = try Command(training("run", long), ranks: 2, in: directory)
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while ((try? metrics("run").count) ?? 0) < 2, command.isRunning, ProcessInfo.processInfo.systemUptime < limit {
      usleep(2000)
    }
    usleep(300_000)
    let ranks = command.descendants
    XCTAssertEqual(ranks.count, 2)
    kill(ranks[1], SIGTERM)
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 75, outcome.summary)
    XCTAssertTrue(outcome.output.contains("rank 1 received SIGTERM: stopped after step 1"), outcome.summary)
    XCTAssertEqual(try metrics("run").count, 2, "the evaluation was over too soon, or was waited for")
    XCTAssertTrue(try inspection("run").contains("evaluation_pending"))
    // In a way that is quicker.
    let resumed = try train(
      "run", long + ["evaluate={mode: whole}"], ranks: 2, options: ["--resume", "latest"])
    XCTAssertTrue(resumed.output.contains("epoch 1/1  mIoU"), resumed.output)
    XCTAssertEqual(try metrics("run").count, 3)
    XCTAssertFalse(try inspection("run").contains("evaluation_pending"))
  }

  /// nohup, and a reader of the output that ends, as `head` does.
  func testItOutlivesItsTerminalAndItsReader() throws {
    let line = [try Command.program()] + training("kept", settings)
    let script = "trap '' HUP; \"$@\" > >(head -n 1 > first.txt) & sleep 0.7; kill -HUP $!; wait $!"
    let outcome = try Command(line: ["bash", "-c", script, "bash"] + line, in: directory).wait(limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(FileManager.default.fileExists(atPath: checkpoint("kept", step: steps)), outcome.summary)
    XCTAssertEqual(try String(contentsOfFile: path("first.txt"), encoding: .utf8).split(separator: "\n").count, 1)
  }

  /// In the middle of a long step, with another signal between the two.
  func testASecondInterruptEndsItAtOnce() throws {
    let long = ["data.size=513", "augment.crop=513", "batch={labeled: 8, unlabeled: 8}", "model.encoder_width=1"]
    let command = try Command(training("long", long), ranks: nil, in: directory)
    let limit = ProcessInfo.processInfo.systemUptime + 30
    while !FileManager.default.fileExists(atPath: path("long/metrics.jsonl")), command.isRunning,
      ProcessInfo.processInfo.systemUptime < limit
    { usleep(10_000) }
    sleep(1)
    command.send(SIGINT)
    usleep(100_000)
    XCTAssertTrue(command.isRunning, "the first interrupt ends it at once: \(command.wait(limit: 0).summary)")
    command.send(SIGTERM)
    usleep(100_000)
    XCTAssertTrue(command.isRunning, "another signal ends it at once: \(command.wait(limit: 0).summary)")
    command.send(SIGINT)
    let outcome = command.wait(limit: 5)
    XCTAssertEqual(outcome.status, 130, outcome.summary)
  }
}
