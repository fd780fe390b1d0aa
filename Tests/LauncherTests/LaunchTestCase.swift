import Foundation
import XCTest

/// What the tests of `u2pl launch` share: a small run, started and watched.
class LaunchTestCase: CommandTestCase {
  let settings = [
    "batch.labeled=4", "batch.unlabeled=4", "schedule.epochs=4", "schedule.steps_per_epoch=8",
    "checkpoint.every_steps=3",
  ]
  let steps = 32

  /// The first line of a script in place of `mpirun`, which `launch` asks whose it is.
  static let saysVersion = #"[ "$1" != --version ] || { echo "mpirun (Open MPI) 4.1.4"; exit 0; }"#

  func launching(
    _ name: String, _ settings: [String]? = nil, options: [String] = [], train: [String] = []
  ) -> [String] {
    ["launch", "-n", "2", "--backoff", "0.1"] + options + ["--"] + training(name, settings ?? self.settings) + train
  }

  func launch(_ line: [String], environment: [String: String] = [:]) throws -> Command {
    try Command(line, ranks: nil, in: directory, environment: environment)
  }

  /// Runs a launch to its end.
  func launched(
    _ line: [String], status: Int32 = 0, limit: Double = 120, environment: [String: String] = [:],
    file: StaticString = #filePath, line number: UInt = #line
  ) throws -> Command.Outcome {
    let outcome = try launch(line, environment: environment).wait(limit: limit)
    XCTAssertFalse(outcome.timedOut, outcome.summary, file: file, line: number)
    XCTAssertEqual(outcome.status, status, outcome.summary, file: file, line: number)
    return outcome
  }

  /// The programs that a launch has started: `mpirun` and the ranks.
  func programs(_ command: Command, named name: String) -> [pid_t] {
    command.descendants.filter { process in
      let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline")?.split(separator: 0) ?? []
      return words.first.map { String(decoding: $0, as: UTF8.self).hasSuffix(name) } ?? false
    }
  }

  /// Kills what `name` names when there are this many lines of metrics.
  func strike(_ command: Command, _ run: String, _ name: String, afterLines lines: Int, line: UInt = #line) {
    wait(for: command, run, lines: lines, line: line)
    let found = programs(command, named: name)
    XCTAssertFalse(found.isEmpty, "no \(name) to kill", line: line)
    if let last = found.last { kill(last, SIGKILL) }
  }

  /// Processes of this test, but for the test itself.
  func left() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).filter {
      Int($0) != nil && (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == directory
    }
  }

  func assertNothingIsLeft(line: UInt = #line) {
    let limit = ProcessInfo.processInfo.systemUptime + patience
    while !left().isEmpty, ProcessInfo.processInfo.systemUptime < limit { usleep(20_000) }
    XCTAssertEqual(left(), [], line: line)
  }

  func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

  func events(_ run: String) throws -> [[String: Any]] {
    ((try? text("\(run)/logs/launch.jsonl")) ?? "").split(separator: "\n").compactMap { try? json(String($0)) }
  }
}
