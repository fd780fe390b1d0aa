import Foundation
import XCTest

/// A container for each rank: name spaces as container programs make them.
final class ContainersTests: CommandTestCase {
  /// Trains as one rank, and as two ranks in a name space each: both runs have to be the same.
  ///
  /// - Parameters:
  ///   - unshare: the command that makes a name space.
  ///   - kind: what the name space is of; for messages.
  @discardableResult
  private func trainInNameSpaces(_ unshare: [String], of kind: String) throws -> Command.Outcome {
    let probe = try Command(line: unshare + ["true"], in: directory).wait(limit: 10)
    guard probe.status == 0 else {
      throw XCTSkip("SKIPPED: no name space of \(kind) can be made here, nothing is tested: \(probe.errors)")
    }
    try train("whole")
    let line = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"] + unshare + [try Command.program()]
    let outcome = try Command(line: line + training("run"), in: directory).wait(limit: 60)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    try assertSame("whole", "run", lastStep: 6)
    return outcome
  }

  /// Each rank has user names of its own, as in rootless containers: the kernel lets no rank read another's memory.
  func testRanksWithUserNamesOfTheirOwn() throws {
    try trainInNameSpaces(["unshare", "--user", "--map-root-user"], of: "users")
    let log = try String(contentsOfFile: path("run/logs/rank-0000.log"), encoding: .utf8)
    XCTAssertTrue(log.contains("rank 0 of 2"), log)
  }

  /// Both ranks are process 1, each in a name space of its own.
  func testRanksWithProcessNumbersOfTheirOwn() throws {
    let outcome = try trainInNameSpaces(["unshare", "--pid", "--fork", "--mount-proc"], of: "process numbers")
    XCTAssertTrue(
      outcome.output.contains("note: the ranks of a host have process numbers of their own"), outcome.summary)
    let left = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm").filter { $0.hasPrefix("u2pl-number-") }
    XCTAssertEqual(left, [])
  }

  /// What containers give as shared memory, or less. Where the memory bank does not fit, one message says so.
  func testLittleSharedMemory() throws {
    func within(_ size: String, _ line: [String]) throws -> Command.Outcome {
      let shell = "mount -t tmpfs -o size=\(size) shm /dev/shm && exec \"$0\" \"$@\""
      return try Command(line: ["unshare", "-m", "sh", "-c", shell] + line, in: directory).wait(limit: 60)
    }
    let probe = try within("3m", ["true"])
    guard probe.status == 0 else {
      throw XCTSkip("SKIPPED: nothing can be mounted here, nothing is tested: \(probe.errors)")
    }
    let line = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", try Command.program()]
    let trained = try within("3m", line + training("run"))
    XCTAssertEqual(trained.status, 0, trained.summary)
    try train("whole")
    try assertSame("whole", "run", lastStep: 6)
    for options in [[], ["--dry-run"]] {
      let outcome = try within("16m", line + training("large", ["u2pl.capacity=200000"]) + options)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error:") }
      XCTAssertEqual(messages.count, 1, outcome.summary)
      XCTAssertTrue(
        messages.first?.contains(#/are to share \d+ MiB, but \/dev\/shm has \d+ MiB left; enlarge it/#) ?? false,
        outcome.summary)
    }
  }

  /// One name space for all ranks is a host of its own.
  func testOneContainerForAllRanks() throws {
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    guard try Command(line: unshare + ["true"], in: directory).wait(limit: 10).status == 0 else {
      throw XCTSkip("SKIPPED: no name space of process numbers can be made here, nothing is tested")
    }
    let line = unshare + ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", try Command.program()]
    let outcome = try Command(line: line + training("run"), in: directory).wait(limit: 60)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertFalse(outcome.output.contains("process numbers of their own"), outcome.summary)
  }
}
