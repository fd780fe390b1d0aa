import Foundation
import XCTest

/// Limits that a system sets: control groups, the size of files, file systems without symbolic links.
final class LimitsTests: CommandTestCase {
  private var groups: [String] = []

  override func tearDownWithError() throws {
    for group in groups { rmdir(group) }
    try super.tearDownWithError()
  }

  /// Makes a control group with a limit: of version 1 or 2, wherever this machine has the controller.
  ///
  /// - Returns: a shell command that enters it.
  private func group(_ controller: String, _ limits: [[String: String]]) throws -> String {
    guard geteuid() == 0 else { throw XCTSkip("SKIPPED: only root can make a control group, nothing is tested") }
    let name = "u2pl-test-\(UUID().uuidString)"
    for place in ["/sys/fs/cgroup/\(controller)", "/sys/fs/cgroup"] {
      let folder = "\(place)/\(name)"
      guard FileManager.default.fileExists(atPath: "\(place)/cgroup.procs"), mkdir(folder, 0o755) == 0 else { continue }
      groups.append(folder)
      for files in limits where files.allSatisfy({ FileManager.default.isWritableFile(atPath: "\(folder)/\($0.key)") })
      {
        let isSet = files.allSatisfy { file, text in
          (try? Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(file)"), options: [])) != nil
        }
        if isSet { return "echo $$ > \(folder)/cgroup.procs && exec \"$0\" \"$@\"" }
      }
    }
    throw XCTSkip("SKIPPED: no control group with a limit on \(controller) can be made here, nothing is tested")
  }

  private func run(within enter: String, _ arguments: [String], shell: String = "sh") throws -> Command.Outcome {
    let line = [shell, "-c", enter, try Command.program()] + arguments
    let outcome = try Command(line: line, in: directory).wait(limit: 60)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    return outcome
  }

  func testMemoryOfAControlGroup() throws {
    let enter = try group("memory", [["memory.limit_in_bytes": "512M"], ["memory.max": "512M"]])
    let dry = ["train", "--config", "tiny.yaml", "--dry-run"]
    let fits = try run(within: enter, dry)
    XCTAssertEqual(fits.status, 0, fits.summary)
    XCTAssertTrue(fits.output.contains("available, the limit of the control group /sys/fs/cgroup"), fits.summary)
    let large = try run(
      within: enter,
      dry + ["--set", "batch={labeled: 64, unlabeled: 64}", "--set", "augment.crop=321", "--set", "data.size=321"])
    XCTAssertNotEqual(large.status, 0, large.summary)
    XCTAssertTrue(
      large.errors.contains("of memory available (the limit of the control group /sys/fs/cgroup"), large.summary)
  }

  func testCoresOfAControlGroup() throws {
    let enter = try group(
      "cpu", [["cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"], ["cpu.max": "100000 100000"]])
    let outcome = try run(within: enter, training("run", ["compute.threads=null", "schedule.epochs=1"]))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let log = try String(contentsOfFile: path("run/logs/rank-0000.log"), encoding: .utf8)
    XCTAssertTrue(log.contains(#/1 ranks on this node share 1 of its \d+ cores/#), log)
    XCTAssertTrue(log.contains("runs 1 threads; the control group /sys/fs/cgroup"), log)
    XCTAssertFalse(log.contains("mpirun has bound"), log)
    let probe = try run(within: enter, ["launch", "--dry-run", "--"] + training("other"))
    XCTAssertTrue(probe.output.contains(" 1 cores, "), probe.summary)
    XCTAssertTrue(probe.output.contains("1 rank × 1 thread"), probe.summary)
  }

  /// 5 KiB: no checkpoint fits, and soon no line of metrics or of a log.
  func testFilesThatMayNotGrow() throws {
    let settings = ["schedule.epochs=12", "evaluate.every_epochs=12"]
    try train("whole", settings)
    let outcome = try run(within: "ulimit -f 5; exec \"$0\" \"$@\"", training("run", settings), shell: "bash")
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    for words in [
      "step-00000002.h5: cannot be written, it needs ",
      "File too large; raise the limit on the size of files (ulimit -f)",
      "metrics.jsonl: cannot be appended to: File too large", "12 of 12 checkpoints could not be written;",
    ] {
      XCTAssertTrue(outcome.output.contains(words), "“\(words)” is not said: \(outcome.summary)")
    }
    XCTAssertTrue(outcome.errors.contains("the state after step 23 is not on the disk"), outcome.summary)
    // What is there is whole.
    let lines = try metrics("run")
    XCTAssertFalse(lines.isEmpty)
    XCTAssertEqual(lines, Array(try metrics("whole").prefix(lines.count)))
    let log = try String(contentsOfFile: path("run/logs/rank-0000.log"), encoding: .utf8)
    XCTAssertTrue(log.hasSuffix("\n"))
    // The limit is gone: the run begins anew in the directory, as there is no checkpoint.
    try train("run", settings, options: ["--resume", "latest"])
    XCTAssertEqual(try metrics("run"), try metrics("whole"))
  }

  /// As on FAT, and on some shares of SMB: made of a library that is loaded first.
  func testAFileSystemWithoutSymbolicLinks() throws {
    try write(
      "nosymlink.c",
      "#include <errno.h>\nint symlink(const char *a, const char *b) { (void)a, (void)b; errno = EPERM; return -1; }\n")
    try tool(
      "/usr/bin/env", ["clang", "-shared", "-fPIC", path("nosymlink.c"), "-o", path("nosymlink.so")], package: "clang")
    let settings = ["checkpoint.every_steps=1", "checkpoint.keep=2", "schedule.epochs=5"]
    let preload = ["LD_PRELOAD": path("nosymlink.so")]
    func without(_ arguments: [String]) throws -> Command.Outcome {
      try Command(line: [try Command.program()] + arguments, in: directory, environment: preload).wait(limit: 60)
    }
    let outcome = try without(training("run", settings))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let warnings = outcome.output.split(separator: "\n").filter { $0.hasPrefix("warning:") }
    XCTAssertEqual(warnings.count, 1, outcome.summary)
    XCTAssertTrue(warnings[0].contains("links cannot be made here, so latest and best are files"), outcome.summary)
    XCTAssertEqual(try String(contentsOfFile: path("run/checkpoints/latest"), encoding: .utf8), "step-00000010.h5\n")
    let best = try String(contentsOfFile: path("run/checkpoints/best"), encoding: .utf8).dropLast()
    let names = try FileManager.default.contentsOfDirectory(atPath: path("run/checkpoints")).sorted()
    XCTAssertEqual(names, Set(["best", "latest", "step-00000009.h5", "step-00000010.h5", String(best)]).sorted())

    for link in ["latest", "best"] {
      let evaluated = try run(["evaluate", "--checkpoint", "run/checkpoints/\(link)"])
      XCTAssertEqual(evaluated.status, 0, evaluated.summary)
    }
    let shown = try run(["inspect", "--verify", "run"])
    XCTAssertTrue(shown.output.contains("step-00000010.h5: all checksums hold  (latest"), shown.summary)
    try train("from", ["model.weights=run/checkpoints/latest", "schedule.epochs=1"])
    for (name, resume) in [("other", "run/checkpoints/latest"), ("run", "latest")] {
      let more = try without(training(name, settings + ["schedule.epochs=6"]) + ["--resume", resume])
      XCTAssertEqual(more.status, 0, more.summary)
      XCTAssertTrue(more.output.contains("at step 10"), more.summary)
    }
    // Going back gives up later checkpoints, and `latest` does not lead to them.
    let back = try without(
      training("run", settings + ["schedule.epochs=6"]) + ["--resume", checkpoint("run", step: 11)])
    XCTAssertEqual(back.status, 0, back.summary)
    XCTAssertEqual(try String(contentsOfFile: path("run/checkpoints/latest"), encoding: .utf8), "step-00000012.h5\n")
    // Where links can be made again, they are.
    try train("run", settings + ["schedule.epochs=7"], options: ["--resume", "latest"])
    XCTAssertEqual(
      try FileManager.default.destinationOfSymbolicLink(atPath: path("run/checkpoints/latest")), "step-00000014.h5")
  }
}
