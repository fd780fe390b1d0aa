import Foundation
import XCTest

/// `u2pl launch --seeds`: a run for each seed, interrupted and resumed like one.
final class SeedRunsTests: LaunchTestCase {
  /// Has launches find a script in place of mpirun, which notes its arguments in `lines`.
  private func standIn(_ script: String) throws -> [String: String] {
    try write("bin/mpirun", "#!/bin/sh\n\(Self.saysVersion)\necho \"$*\" >> lines\n\(script)\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path("bin/mpirun"))
    return ["PATH": "\(path("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
  }

  private func lines() throws -> [Substring] {
    try String(contentsOfFile: path("lines"), encoding: .utf8).split(separator: "\n")
  }

  func testOneRunASeed() throws {
    let outcome = try launched(
      launching("run", options: ["--seeds", "7,0-1"]), environment: standIn("mkdir -p made; exit 0"))
    let lines = try lines()
    XCTAssertEqual(lines.count, 3, outcome.summary)
    for (line, seed) in zip(lines, [7, 0, 1]) {
      XCTAssertTrue(
        line.contains("--run run --") && line.hasSuffix("--run run-seed-\(seed) --set run.seed=\(seed)"), "\(line)")
      XCTAssertTrue(FileManager.default.fileExists(atPath: path("run-seed-\(seed)/logs/launch.jsonl")))
    }
    XCTAssertTrue(
      outcome.output.contains("u2pl report run-seed-7 run-seed-0 run-seed-1 -o run-seeds.html"), outcome.output)
    // Without a name the runs have that of the configuration.
    _ = try launched(
      ["launch", "-n", "1", "--seeds", "3", "--", "train", "--config", "tiny.yaml"], environment: standIn("exit 0"))
    XCTAssertTrue(try self.lines().last?.hasSuffix("--run runs/tiny-seed-3 --set run.seed=3") == true)
  }

  /// A run that fails keeps those after it from being made.
  func testAFailureEndsAll() throws {
    let outcome = try launched(
      launching("run", options: ["--seeds", "0,1,2", "--max-restarts", "0"]), status: 1,
      environment: standIn("case \"$*\" in *seed=1) exit 3;; esac"))
    XCTAssertEqual(try lines().count, 2, outcome.summary)
    XCTAssertTrue(outcome.output.contains("launch: seed 1 has ended with exit code 1, 1 more is left"), outcome.output)
  }

  /// Each of the two waits for the other, so that only runs at the same time come to their ends.
  func testSideBySide() throws {
    let script =
      "i=0; while [ $(wc -l < lines) -lt 2 ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done; [ $i -lt 300 ]"
    let outcome = try launched(
      launching("run", options: ["--seeds", "0,1", "--side-by-side", "2", "--max-restarts", "0", "--oversubscribe"]),
      environment: standIn(script))
    XCTAssertEqual(try lines().count, 2, outcome.summary)
    XCTAssertTrue(outcome.output.contains("seed 0 | "), outcome.output)
    XCTAssertTrue(outcome.output.contains("seed 1 | "), outcome.output)
    XCTAssertTrue(outcome.output.contains("launch: all 2 seeds are finished"), outcome.output)
  }

  /// No more are started after one that fails; its neighbour goes on to its end.
  func testAFailureSideBySide() throws {
    let script = "case \"$*\" in *seed=0) exit 3;; *) sleep 1; echo done >> ends;; esac"
    let outcome = try launched(
      launching("run", options: ["--seeds", "0-3", "--side-by-side", "2", "--max-restarts", "0", "--oversubscribe"]),
      status: 1, environment: standIn(script))
    XCTAssertEqual(try lines().count, 2, outcome.summary)
    XCTAssertEqual(try String(contentsOfFile: path("ends"), encoding: .utf8), "done\n")
    XCTAssertTrue(
      outcome.output.contains("launch: seed 0 has ended with exit code 1, 2 more are left"), outcome.output)
  }

  /// A signal ends all of them after a checkpoint; the same command goes on with all. What a seed computes does not
  /// depend on its neighbours.
  func testInterruptedSideBySide() throws {
    let options = ["-n", "1", "--seeds", "0,1", "--side-by-side", "2"]
    let settings = ["batch.labeled=2", "batch.unlabeled=2", "schedule.epochs=6", "schedule.steps_per_epoch=4"]
    let command = try launch(launching("run", settings, options: options))
    wait(for: command, "run-seed-0", lines: 3)
    wait(for: command, "run-seed-1", lines: 3)
    command.send(SIGTERM)
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 75, outcome.summary)
    XCTAssertTrue(
      outcome.output.contains("seed 0 has ended with exit code 75, seed 1 has ended with exit code 75"), outcome.output)
    let resumed = try launched(launching("run", settings, options: options, train: ["--resume", "latest"]))
    XCTAssertTrue(resumed.output.contains("launch: all 2 seeds are finished"), resumed.output)
    try train("alone", settings + ["run.seed=1"])
    XCTAssertEqual(try metrics("run-seed-1"), try metrics("alone"))
  }

  func testBadUsage() throws {
    for (options, train, words) in [
      (["--seeds", "x"], [], "--seeds"), (["--seeds", "2-1"], [], "--seeds"), (["--seeds", "0,"], [], "--seeds"),
      (["--seeds", "0-5000"], [], "--seeds"), (["--seeds", "0"], ["--set", "run.seed=4"], "leave out --set run.seed"),
      (["--seeds", "0"], ["--resume", "some.h5"], "--resume latest"),
      (["--side-by-side", "2"], [], "needs --seeds"), (["--seeds", "0", "--side-by-side", "0"], [], "--side-by-side"),
    ] {
      let outcome = try launched(
        launching("run", options: options, train: train), status: 64, environment: standIn("exit 0"))
      XCTAssertTrue(outcome.errors.contains(words), outcome.summary)
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("lines")))
  }

  /// Asked to end in the first run, all end; the same command with --resume latest makes the rest.
  func testInterruptedAndResumed() throws {
    let long = ["batch.labeled=4", "batch.unlabeled=4", "schedule.epochs=60", "schedule.steps_per_epoch=8"]
    let command = try launch(launching("run", long, options: ["--seeds", "0,1"]))
    wait(for: command, "run-seed-0", lines: 3)
    command.send(SIGTERM)
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 75, outcome.summary)
    XCTAssertTrue(outcome.output.contains("1 more is left"), outcome.output)
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("run-seed-1")))

    // The rest of a run of 60 epochs takes too long: two runs of two epochs, of which the first is finished already.
    let short = ["batch.labeled=4", "batch.unlabeled=4", "schedule.epochs=2", "schedule.steps_per_epoch=8"]
    try train("short-seed-0", short + ["run.seed=0"])
    let line = launching("short", short, options: ["--seeds", "0,1"], train: ["--resume", "latest"])
    let resumed = try launched(line)
    XCTAssertTrue(resumed.output.contains("all 2 seeds are finished"), resumed.output)
    XCTAssertEqual(resumed.output.components(separatedBy: "the run is finished").count, 2, resumed.output)
    try train("alone", short + ["run.seed=1"])
    XCTAssertEqual(try metrics("short-seed-1"), try metrics("alone"))
    XCTAssertNotEqual(try metrics("short-seed-1"), try metrics("short-seed-0"))
  }
}
