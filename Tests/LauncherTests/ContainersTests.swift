import Foundation
import XCTest

/// A container for each rank: name spaces as container programs make them.
final class ContainersTests: CommandTestCase {
  /// User names of its own for each rank, as rootless containers have them: the kernel lets no rank read another's memory.
  func testRanksWithUserNamesOfTheirOwn() throws {
    let unshare = ["unshare", "--user", "--map-root-user"]
    let probe = try Command(line: unshare + ["true"], in: directory).wait(limit: 10)
    guard probe.status == 0 else {
      throw XCTSkip("SKIPPED: no name space of users can be made here, nothing is tested: \(probe.errors)")
    }
    try train("whole")
    let line = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"] + unshare + [try Command.program()]
    let outcome = try Command(line: line + training("run"), in: directory).wait(limit: 60)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    try assertSame("whole", "run", lastStep: 6)
    let log = try String(contentsOfFile: path("run/logs/rank-0000.log"), encoding: .utf8)
    XCTAssertTrue(log.contains("rank 0 of 2"), log)
  }

  /// Both ranks are process 1, each in a name space of its own.
  func testRanksWithProcessNumbersOfTheirOwn() throws {
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    let probe = try Command(line: unshare + ["true"], in: directory).wait(limit: 10)
    guard probe.status == 0 else {
      throw XCTSkip("SKIPPED: no name space of process numbers can be made here, nothing is tested: \(probe.errors)")
    }
    try train("whole")
    let line = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2"] + unshare + [try Command.program()]
    let outcome = try Command(line: line + training("run"), in: directory).wait(limit: 60)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(
      outcome.output.contains("note: the ranks of a host have process numbers of their own"), outcome.summary)
    try assertSame("whole", "run", lastStep: 6)
    let left = try FileManager.default.contentsOfDirectory(atPath: "/dev/shm").filter { $0.hasPrefix("u2pl-number-") }
    XCTAssertEqual(left, [])
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
