// Alone: holds a run to the seconds in which the watchdog must end it.
import Foundation
import XCTest

/// A rank that does not go on is named by those that wait for it, and the run ends; one that takes its time is let be.
final class WatchdogTests: CommandTestCase {
  private let seconds = 2
  private var settings: [String] {
    [
      "batch={labeled: 4, unlabeled: 4}", "schedule={epochs: 100000, steps_per_epoch: 50, supervised_epochs: 0}",
      "watchdog.seconds=\(seconds)",
    ]
  }
  private let host = ProcessInfo.processInfo.hostName

  /// Starts a run that would take hours, waits for some steps, and returns the processes of its ranks.
  private func start(_ run: String, ranks: Int, _ more: [String] = []) throws -> (command: Command, pids: [pid_t]) {
    let command = try Command(training(run, settings + more), ranks: ranks, in: directory)
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while ((try? metrics(run).count) ?? 0) < 5, command.isRunning, ProcessInfo.processInfo.systemUptime < limit {
      usleep(2000)
    }
    let pids = command.descendants
    XCTAssertEqual(pids.count, ranks, command.isRunning ? "" : command.wait(limit: 0).summary)
    return (command, pids)
  }

  /// The run has to end soon after a rank has stopped, with one message, and leave no process.
  private func assertEnds(
    _ command: Command, _ pids: [pid_t], saying parts: String..., line: UInt = #line
  ) {
    let start = ProcessInfo.processInfo.systemUptime
    let outcome = command.wait(limit: 120)
    let elapsed = ProcessInfo.processInfo.systemUptime - start
    XCTAssertFalse(outcome.timedOut, outcome.summary, line: line)
    XCTAssertLessThan(elapsed, Double(seconds) + 10, outcome.summary, line: line)
    XCTAssertEqual(outcome.status, 1, outcome.summary, line: line)
    let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error:") }
    XCTAssertEqual(messages.count, 1, outcome.summary, line: line)
    for part in parts {
      XCTAssertTrue(outcome.errors.contains(part), "“\(part)” is not said: \(outcome.summary)", line: line)
    }
    assertNothingIsLeft(of: pids, line: line)
  }

  /// What has been killed may take a moment to be gone.
  private func assertNothingIsLeft(of pids: [pid_t], line: UInt = #line) {
    let limit = ProcessInfo.processInfo.systemUptime + 2
    while pids.contains(where: isThere), ProcessInfo.processInfo.systemUptime < limit { usleep(10_000) }
    XCTAssertEqual(pids.filter(isThere), [], "processes are left", line: line)
  }

  func testAStoppedRankIsNamed() throws {
    let (command, pids) = try start("run", ranks: 4)
    kill(pids[2], SIGSTOP)
    assertEnds(
      command, pids, saying: "no progress: rank 2 on \(host) (pid \(pids[2])) is stopped (process state T", " of step ",
      "Here, rank 0 on \(host) has waited 2 s in MPI_", "--resume latest")
    // Those that wait say so in their logs, each from where it is.
    for rank in [0, 1, 3] {
      let log = try String(contentsOfFile: path("run/logs/rank-000\(rank).log"), encoding: .utf8)
      XCTAssertTrue(log.contains("error: no progress: rank 2 on \(host) (pid \(pids[2])) is stopped"), log)
      XCTAssertTrue(log.contains("Here, rank \(rank) on \(host) has waited 2 s in MPI_"), log)
      let last = try json(try lines("run", rank).last ?? "")
      XCTAssertEqual(last["level"] as? String, "error")
      XCTAssertNotNil(last["step"])
    }
  }

  /// The rank that would speak is the one that is stopped.
  func testRankZeroIsNamed() throws {
    let (command, pids) = try start("run", ranks: 2)
    kill(pids[0], SIGSTOP)
    assertEnds(command, pids, saying: "rank 0 on \(host) (pid \(pids[0])) is stopped", "Here, rank 1 on")
  }

  func testARankThatDoesNothingIsNamed() throws {
    let command = try Command(
      training("run", settings), ranks: 2, in: directory,
      environment: ["U2PL_TEST_DELAY": "1:3:60", "U2PL_TESTING": "1"])
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    XCTAssertLessThan(outcome.seconds, 30, outcome.summary)
    XCTAssertTrue(
      outcome.errors.contains(
        /rank 1 on \S+ \(pid \d+\) is idle, in no message \(process state S\), in data of step 3,/),
      outcome.summary)
  }

  /// With nobody to wait for it.
  func testARankAloneSaysSoItself() throws {
    let command = try Command(
      training("run", settings), ranks: nil, in: directory,
      environment: ["U2PL_TEST_DELAY": "0:3:60", "U2PL_TESTING": "1"])
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    XCTAssertLessThan(outcome.seconds, 30, outcome.summary)
    XCTAssertTrue(outcome.errors.contains("has made no progress for 7 s and is idle"), outcome.summary)
    XCTAssertTrue(outcome.errors.contains("in data of step 3"), outcome.summary)
  }

  /// What it says does not fit; it ends as it would have, and not by a crash.
  func testLastWordsThatDoNotFitEndNothingElse() throws {
    let command = try Command(
      line: ["sh", "-c", "exec \"$0\" \"$@\" 2> /dev/full", Command.program()]
        + training("run", settings + ["watchdog.seconds=1"]),
      in: directory, environment: ["U2PL_TEST_DELAY": "0:3:60", "U2PL_TESTING": "1"])
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    let log = try String(contentsOfFile: path("run/logs/rank-0000.log"), encoding: .utf8)
    XCTAssertTrue(log.contains("error: no progress: rank 0"), log)
    XCTAssertFalse(log.contains("crashed by"), log)
  }

  /// A batch system stops all of a job and lets it go on later; and a rank may pause for less than it takes to be late.
  func testASuspendedJobGoesOn() throws {
    let (command, pids) = try start("run", ranks: 2)
    kill(pids[1], SIGSTOP)
    usleep(useconds_t(seconds) * 500_000)
    kill(pids[1], SIGCONT)
    usleep(300_000)
    for pid in pids { kill(pid, SIGSTOP) }
    sleep(UInt32(seconds) * 2)
    for pid in pids { kill(pid, SIGCONT) }
    let before = try metrics("run").count
    sleep(UInt32(seconds) + 1)
    XCTAssertTrue(command.isRunning, command.wait(limit: 0).summary)
    XCTAssertGreaterThan(try metrics("run").count, before)
    command.kill()
    _ = command.wait(limit: 10)
  }

  /// One rank evaluates a large image in many windows while the other waits far longer than the watchdog would.
  func testALongEvaluationIsProgress() throws {
    let long = [
      "data={kind: shapes, size: [300, 400], labeled: 5, unlabeled: 7, validation: 1, classes: 4}",
      "watchdog.seconds=1",
      "schedule={epochs: 1, steps_per_epoch: 2, supervised_epochs: 1}", "augment.crop=65",
      "evaluate={mode: sliding, scales: [1, 2, 2.5, 3], flip: on}",
    ]
    try train("run", long, ranks: 2)
    let evaluation = try XCTUnwrap(
      try String(contentsOfFile: path("run/metrics.jsonl"), encoding: .utf8).split(separator: "\n").last)
    let seconds = (try json(String(evaluation))["evaluation"] as? [String: Any])?["seconds"] as? Double
    XCTAssertGreaterThan(try XCTUnwrap(seconds), 1.5, "too short to show anything")
  }

  func testOffWatchesNobody() throws {
    let command = try Command(
      training("run", ["watchdog.seconds=off"]), ranks: 2, in: directory,
      environment: ["U2PL_TEST_DELAY": "1:3:3", "U2PL_TESTING": "1"])
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
  }

  /// On three hosts that share nothing but files.
  func testAStoppedRankOfAnotherHostIsNamed() throws {
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Scripts/cluster").standardizedFileURL.path
    let name = "test\(UUID().uuidString.prefix(8))"
    let command = try Command(
      line: ["--default-signal=INT", script, "run", "--name", name, "--slots", "1,1,2", "--", Command.program()]
        + training("run", settings), in: directory)
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while ((try? metrics("run").count) ?? 0) < 5, command.isRunning, ProcessInfo.processInfo.systemUptime < limit {
      usleep(10_000)
    }
    if !command.isRunning {
      let outcome = command.wait(limit: 0)
      if outcome.status == 77 { throw XCTSkip("no hosts can be made on this machine; nothing is tested") }
      return XCTFail(outcome.summary)
    }
    let pids = try (0..<4).map { rank in
      pid_t(try XCTUnwrap(try json(try lines("run", rank).first ?? "")["pid"] as? Int))
    }
    // Its neighbour on the host has its memory, those on the other hosts have its file.
    usleep(500_000)
    kill(pids[1], SIGSTOP)
    let start = ProcessInfo.processInfo.systemUptime
    let outcome = command.wait(limit: 60)
    let elapsed = ProcessInfo.processInfo.systemUptime - start
    XCTAssertLessThan(elapsed, Double(seconds) + 10, outcome.summary)
    XCTAssertNotEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(
      outcome.errors.contains("rank 1 on node02 (pid \(pids[1])) is without a sign of life"), outcome.summary)
    assertNothingIsLeft(of: pids)
  }

  /// Not of a process that has ended and that nobody has waited for.
  private func isThere(_ pid: pid_t) -> Bool {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) != nil
  }

  private func lines(_ run: String, _ rank: Int) throws -> [String] {
    let text = try String(contentsOfFile: path("\(run)/logs/rank-000\(rank).jsonl"), encoding: .utf8)
    return text.split(separator: "\n").map(String.init)
  }
}
