import Foundation
import XCTest

/// `u2pl launch --seeds`: a run for each seed, interrupted and resumed like one.
final class SeedRunsTests: LaunchTestCase {
  /// Has launches find a script in place of mpirun, which notes its arguments in `lines`.
  private func standIn(_ script: String) throws -> [String: String] {
    try write("bin/mpirun", "#!/bin/sh\necho \"$*\" >> lines\n\(script)\n")
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

  func testBadUsage() throws {
    for (options, train, words) in [
      (["--seeds", "x"], [], "--seeds"), (["--seeds", "2-1"], [], "--seeds"), (["--seeds", "0,"], [], "--seeds"),
      (["--seeds", "0-5000"], [], "--seeds"), (["--seeds", "0"], ["--set", "run.seed=4"], "leave out --set run.seed"),
      (["--seeds", "0"], ["--resume", "some.h5"], "--resume latest"),
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
