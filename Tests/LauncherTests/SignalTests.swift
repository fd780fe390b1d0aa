import Foundation
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
    // mpirun passes it on.
    try assertStops(ranks: 2, signal: SIGUSR1, rank: nil, saying: "received SIGUSR1")
  }

  /// In the middle of a long step.
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
    command.send(SIGINT)
    let outcome = command.wait(limit: 5)
    XCTAssertEqual(outcome.status, 130, outcome.summary)
  }
}
