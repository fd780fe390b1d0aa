import Foundation
import XCTest

/// Locks that other programs hold on files that are only read, and places that cannot be written to.
final class ForeignLocksTests: CommandTestCase {
  func testLocksOfOthers() throws {
    try train("run", ["schedule.epochs=1"])
    try python(
      """
      import h5py, numpy as np, sys
      r = np.random.default_rng(1)
      with h5py.File(sys.argv[1], "w") as f:
          for n in range(4):
              f[f"images/{n}"] = r.integers(0, 256, (33, 33, 3)).astype(np.uint8)
              f[f"labels/{n}"] = r.integers(0, 4, (33, 33)).astype(np.uint8)
      """, path("x.h5"))
    try write("l.txt", "0\n1\n2\n3\n")
    try write(
      "packed.yaml", tinyConfiguration(data: "{kind: hdf5, root: x.h5, labeled: l.txt, unlabeled: l.txt, classes: 4}"))
    // As another program does that has the file open for writing.
    let holders = try ["x.h5", "run/checkpoints/step-00000002.h5"].map { file in
      try Command(line: ["flock", "-x", file, "sleep", "60"], in: directory)
    }
    defer { holders.forEach { $0.kill() } }
    for file in ["x.h5", "run/checkpoints/step-00000002.h5"] {
      let limit = ProcessInfo.processInfo.systemUptime + 10
      func isFree() throws -> Bool {
        try Command(line: ["flock", "-n", "-x", file, "true"], in: directory).wait(limit: 10).status == 0
      }
      while try isFree(), ProcessInfo.processInfo.systemUptime < limit { usleep(20_000) }
      XCTAssertFalse(try isFree(), "\(file) is not locked")
    }
    // A reader that takes a lock, as HDF5's does by default, gets none.
    try python(
      """
      import h5py, sys
      try: h5py.File(sys.argv[1], "r")
      except OSError as error: assert "lock" in str(error), error
      else: raise SystemExit("the lock keeps nobody out")
      """, path("x.h5"))
    let latest = "run/checkpoints/latest"
    for command in [
      ["inspect", "--verify", "run"], ["evaluate", "--checkpoint", latest],
      training("weighed", ["model.weights=\(latest)", "schedule.epochs=1"]), training("packed", config: "packed.yaml"),
      ["weights", "export", latest, "-o", "x.safetensors"],
      training("more", ["schedule.epochs=2"]) + ["--resume", latest],
    ] {
      let outcome = try run(command, limit: 30)
      XCTAssertEqual(outcome.status, 0, "\(command): \(outcome.summary)")
    }
    for holder in holders { XCTAssertTrue(holder.isRunning, "the lock has gone meanwhile") }
  }

  /// Reading a run takes no permission to write; a run that is to go on in such a place says so, in one message.
  func testAMountThatIsReadOnly() throws {
    try train("run", ["schedule.epochs=1"])
    try FileManager.default.createDirectory(atPath: path("fixed"), withIntermediateDirectories: false)
    let mount = "mount --bind run fixed && mount -o remount,ro,bind fixed"
    func within(_ arguments: [String]) throws -> Command.Outcome {
      let line = ["unshare", "-m", "sh", "-c", "\(mount) && exec \"$0\" \"$@\"", try Command.program()]
      return try Command(line: line + arguments, in: directory).wait(limit: 30)
    }
    let probe = try Command(line: ["unshare", "-m", "sh", "-c", mount], in: directory).wait(limit: 10)
    guard probe.status == 0 else {
      throw XCTSkip("SKIPPED: nothing can be mounted here, nothing is tested: \(probe.errors)")
    }
    for command in [
      ["inspect", "--verify", "fixed"], ["evaluate", "--checkpoint", "fixed/checkpoints/latest"], ["logs", "fixed"],
      training("weighed", ["model.weights=fixed/checkpoints/latest", "schedule.epochs=1"]),
    ] {
      let outcome = try within(command)
      XCTAssertEqual(outcome.status, 0, "\(command): \(outcome.summary)")
    }
    for resume in ["latest", "fixed/checkpoints/latest"] {
      let outcome = try within(training("fixed") + ["--resume", resume])
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error:") }
      XCTAssertEqual(messages.count, 1, outcome.summary)
      XCTAssertTrue(
        messages.first?.contains("Read-only file system; choose a place this user may use") ?? false, outcome.summary)
    }
  }
}
