import Foundation
import XCTest

/// What each rank writes into its log: what it runs on, where each step's time went, warnings, last words.
final class RankLogTests: CommandTestCase {
  private func lines(_ run: String, _ rank: Int) throws -> [String] {
    let text = try String(contentsOfFile: path("\(run)/logs/rank-000\(rank).jsonl"), encoding: .utf8)
    return text.split(separator: "\n").map(String.init)
  }

  func testEachStartSaysWhatTheRankRunsOn() throws {
    try train("run", ["schedule.epochs=2"], ranks: 2)
    try train("run", ranks: 2, options: ["--resume", "latest"])
    for rank in 0..<2 {
      let starts = try lines("run", rank).map(json).filter { $0["event"] as? String == "start" }
      XCTAssertEqual(starts.count, 2)
      for start in starts {
        XCTAssertEqual(start["rank"] as? Int, rank)
        XCTAssertEqual(start["ranks"] as? Int, 2)
        XCTAssertEqual(start["threads"] as? Int, 1)
        XCTAssertEqual(start["host"] as? String, ProcessInfo.processInfo.hostName)
        XCTAssertGreaterThan(start["pid"] as? Int ?? 0, 0)
        for key in ["time", "cpu", "blas", "onednn", "mpi", "version", "cores"] {
          XCTAssertFalse((start[key] as? String ?? "").isEmpty, key)
        }
        XCTAssertTrue((start["mpi"] as? String ?? "").contains("MPI"))
        XCTAssertGreaterThanOrEqual((start["facts"] as? [String])?.count ?? 0, 3)
      }
      let text = try String(contentsOfFile: path("run/logs/rank-000\(rank).log"), encoding: .utf8)
      XCTAssertTrue(text.contains("info: host "), text)
    }
  }

  /// Phases in the order in which the status of a rank announces them.
  func testPhasesAreThoseThatAreAnnounced() throws {
    try train("run")
    let steps = try lines("run", 0).filter { $0.contains("\"phases\"") }
    let supervised = ["data", "student forward", "pixel losses", "backward", "gradient exchange", "update"]
    let all = [
      "data", "weak view", "mix", "student forward", "teacher forward", "pixel losses", "contrastive loss", "backward",
      "gradient exchange", "update",
    ]
    for (line, names) in [(steps[0], supervised), (steps[5], all)] {
      let phases = try XCTUnwrap(line.firstMatch(of: /"phases":\{([^}]*)\}/)).1
      XCTAssertEqual(phases.split(separator: ",").map { $0.split(separator: "\"")[0] }, names.map { $0[...] })
      let waits = try XCTUnwrap(line.firstMatch(of: /"waits":\{([^}]*)\}/)).1
      XCTAssertEqual(waits.split(separator: ",").map { $0.split(separator: "\"")[0] }, names.map { $0[...] })
    }
  }

  /// A rank that is slow waits for nobody, and the other waits for it.
  func testAStragglerShows() throws {
    let outcome = try Command(
      training("run", ["schedule.steps_per_epoch=4"]), ranks: 2, in: directory,
      environment: ["U2PL_TEST_DELAY": "1:all:0.2", "U2PL_TESTING": "1"]
    ).wait(limit: 60)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    func times(_ rank: Int) throws -> (own: Double, wait: Double) {
      var own: [Double] = [], wait: [Double] = []
      for step in try lines("run", rank).map(json) where step["phases"] != nil {
        let phases = try XCTUnwrap(step["phases"] as? [String: Double])
        let waits = try XCTUnwrap(step["waits"] as? [String: Double])
        for (phase, seconds) in phases { XCTAssertLessThanOrEqual(waits[phase] ?? .infinity, seconds + 2e-6, phase) }
        let (all, waited) = (phases.values.reduce(0, +), waits.values.reduce(0, +))
        XCTAssertEqual(step["seconds"] as? Double ?? 0, all, accuracy: 1e-4)
        own.append(all - waited)
        wait.append(waited)
      }
      XCTAssertEqual(own.count, 12)
      return (own.sorted()[6], wait.sorted()[6])
    }
    let (fast, slow) = (try times(0), try times(1))
    XCTAssertGreaterThan(slow.own, 0.2)
    XCTAssertGreaterThan(fast.wait, 0.1)
    XCTAssertLessThan(fast.own, slow.own)
    XCTAssertLessThan(slow.wait, fast.wait)
  }

  func testLastWords() throws {
    try train("run")
    let outcome = try run(
      training("run", ["model.width=24"]) + ["--resume", "latest"], ranks: 2)
    XCTAssertEqual(outcome.status, 2, outcome.summary)
    for rank in 0..<2 {
      let last = try json(try lines("run", rank).last ?? "")
      XCTAssertEqual(last["level"] as? String, "error")
      XCTAssertTrue((last["message"] as? String ?? "").contains("is of another model"), "\(last)")
    }
  }

  /// A signal that nobody expects.
  func testACrashLeavesItsLastWords() throws {
    let command = try Command(training("run", ["schedule.epochs=10000"]), ranks: 2, in: directory)
    wait(for: command, "run", lines: 5)
    let victim = try XCTUnwrap(command.descendants.last)
    kill(victim, SIGBUS)
    let outcome = command.wait(limit: 30)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertNotEqual(outcome.status, 0, outcome.summary)
    let last = try json(try lines("run", 1).last ?? "")
    XCTAssertEqual(last["rank"] as? Int, 1)
    XCTAssertEqual(last["level"] as? String, "error")
    let message = last["message"] as? String ?? ""
    XCTAssertNotNil(message.wholeMatch(of: /crashed by SIGBUS in [a-z ]+ of step \d+/), message)
    XCTAssertGreaterThan(last["step"] as? Int ?? 0, 1)
    // The time is written by hand there.
    let text = try String(contentsOfFile: path("run/logs/rank-0001.log"), encoding: .utf8).split(separator: "\n")
    XCTAssertTrue(try XCTUnwrap(text.last).hasSuffix(" error: \(message)"), "\(text.last ?? "")")
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyy-MM-dd HH:mm:ss.SSS"
    let time = try XCTUnwrap(formatter.date(from: last["time"] as? String ?? ""), "\(last)")
    XCTAssertLessThan(abs(time.timeIntervalSinceNow), 60)
    XCTAssertGreaterThanOrEqual(last["time"] as? String ?? "", String(text[text.count - 2].prefix(23)))
  }
}
