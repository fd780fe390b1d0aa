import Foundation
import Liveness
import RunLogs
import XCTest

/// Who is named when a rank has waited too long.
final class LatenessTests: XCTestCase {
  private let lateness = Lateness(limit: 100, silence: 25)

  private func status(
    _ rank: Int, host: String = "node01", phase: String = "backward", in call: String? = nil, for partner: Int? = nil,
    quiet: Double, patience: Int = 1, state: ProcessState? = nil
  ) -> RankStatus {
    RankStatus(
      rank: rank, host: host, pid: Int32(500 + rank), heartbeat: 7, step: 41, phase: phase, call: call,
      partner: partner,
      since: 0, quiet: quiet, patience: patience, state: state)
  }

  private func view(_ status: RankStatus?, silent: Double = 0, state: ProcessState? = nil) -> Lateness.View {
    Lateness.View(status: status, silent: silent, state: state)
  }

  private func accusation(_ views: [Int: Lateness.View]) -> String? {
    lateness.accusation(
      by: status(0, in: "MPI_Sendrecv", for: 1, quiet: 100), of: views, places: { "rank \($0) on node0\($0)" })
  }

  private var waiter: Lateness.View { view(status(2, in: "MPI_Waitall", quiet: 99)) }

  func testTheLateRankIsNamedAndNotTheOneThatWaits() throws {
    for (late, part) in [
      (view(status(1, quiet: 20), silent: 60, state: .stopped), "stopped (process state T"),
      (view(status(1, quiet: 20), silent: 60, state: .gone), "crashed (there is no process 501 any more)"),
      (view(status(1, in: "MPI_Barrier", quiet: 20), silent: 60), "without a sign of life"),
      (view(status(1, quiet: 120), state: .wedged), "waiting for a disk or file system"),
      (view(status(1, host: "node02", quiet: 120, state: .wedged)), "waiting for a disk or file system"),
      (view(status(1, quiet: 120), state: .computing), "computing (process state R)"),
      (view(status(1, quiet: 120), state: .idle), "idle, in no message"),
    ] {
      let text = try XCTUnwrap(accusation([1: late, 2: waiter]), part)
      XCTAssertTrue(text.contains("rank 1 on node0"), text)
      XCTAssertTrue(text.contains("(pid 501) is \(part)"), text)
      XCTAssertTrue(text.contains("in backward of step 41, since "), text)
      XCTAssertTrue(text.contains("rank 0 on node01 has waited 100 s in MPI_Sendrecv for rank 1"), text)
      XCTAssertFalse(text.contains("rank 2"), text)
    }
  }

  func testNobodyIsNamedWhileAnyRankIsAtWork() {
    for busy in [
      view(status(1, quiet: 3)),  // goes on
      view(status(1, quiet: 70), state: .computing),
      view(status(1, in: "MPI_Sendrecv", quiet: 3)),  // has only just come
      view(status(1, phase: "checkpoint", quiet: 700, patience: 10), state: .wedged),
    ] {
      XCTAssertNil(accusation([1: busy, 2: waiter]))
    }
    XCTAssertNotNil(accusation([1: view(status(1, phase: "checkpoint", quiet: 900, patience: 10)), 2: waiter]))
    // Patience is for those who live.
    XCTAssertNotNil(
      accusation([
        1: view(status(1, phase: "checkpoint", quiet: 50, patience: 10), silent: 60, state: .stopped), 2: waiter,
      ]))
  }

  func testAllWait() throws {
    let text = try XCTUnwrap(
      accusation([1: view(status(1, host: "node02", in: "MPI_Waitall", for: 0, quiet: 99)), 2: waiter]))
    XCTAssertTrue(text.hasPrefix("every rank waits for another"), text)
    XCTAssertTrue(text.contains("rank 1 on node02 in MPI_Waitall for rank 0, backward of step 41"), text)
  }

  func testAnUnseenRankIsSuspectWhenAllOthersWait() throws {
    let text = try XCTUnwrap(accusation([1: view(nil), 2: waiter]))
    XCTAssertTrue(text.hasPrefix("rank 1 on node01 cannot be seen from node01, and every other rank waits"), text)
    XCTAssertNil(accusation([1: view(nil), 2: view(status(2, quiet: 1))]))
    // While all start up, it may be looking its share of the images over.
    let early = status(0, phase: "start-up", in: "MPI_Allreduce", quiet: 100, patience: 10)
    XCTAssertNil(lateness.accusation(by: early, of: [1: view(nil), 2: waiter], places: { "rank \($0)" }))
  }

  /// A file of another life of the run, or half a file, is none.
  func testFilesOfOthersAreNotTakenForARank() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("status-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let long = status(1, phase: "a phase with a long name", in: "MPI_Sendrecv", for: 3, quiet: 12.5, state: .wedged)
    long.write(to: path)
    XCTAssertEqual(RankStatus(file: path, rank: 1, host: "node01", pid: 501), long)
    let short = status(1, phase: "x", quiet: 0)
    short.write(to: path)
    XCTAssertEqual(RankStatus(file: path, rank: 1, host: "node01", pid: 501), short)
    XCTAssertNil(RankStatus(file: path, rank: 1, host: "node01", pid: 502))
    XCTAssertNil(RankStatus(file: path, rank: 1, host: "node02", pid: 501))
    XCTAssertNil(RankStatus(file: path + "x", rank: 1, host: "node01", pid: 501))
    try Data("{\"rank\":1,".utf8).write(to: URL(fileURLWithPath: path))
    XCTAssertNil(RankStatus(file: path, rank: 1, host: "node01", pid: 501))
  }

  func testTheStateOfProcesses() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sleep")
    process.arguments = ["60"]
    try process.run()
    let pid = process.processIdentifier
    defer { kill(pid, SIGKILL) }
    func waitFor(_ state: ProcessState) -> Bool {
      for _ in 0..<200 {
        if ProcessState.of(pid) == state { return true }
        usleep(10_000)
      }
      return false
    }
    XCTAssertTrue(waitFor(.idle))
    kill(pid, SIGSTOP)
    XCTAssertTrue(waitFor(.stopped))
    kill(pid, SIGKILL)
    XCTAssertTrue(waitFor(.gone))
  }

  func testCoresAreWrittenAsRanges() {
    XCTAssertEqual(ProcessFacts.cores([0b1000_1111, 0b0000_0011]), "0-3,7-9")
    XCTAssertEqual(ProcessFacts.cores([0b0000_0101, 0]), "0,2")
    XCTAssertEqual(ProcessFacts.cores([]), "unknown")
  }
}
