import Foundation
import HDF5
import XCTest

/// `u2pl logs` on the logs of real runs.
final class LogsTests: CommandTestCase {
  private func lines(_ arguments: String..., status: Int32 = 0, line: UInt = #line) throws -> [Substring] {
    let outcome = try run(["logs"] + arguments)
    XCTAssertEqual(outcome.status, status, outcome.summary, line: line)
    return (status == 0 ? outcome.output : outcome.errors).split(separator: "\n")
  }

  func testWhatIsShown() throws {
    try train("run", ranks: 2)
    let first = try lines("run")
    XCTAssertTrue(first.allSatisfy { $0.contains("[0] ") }, "rank 1 has warned of nothing")
    XCTAssertFalse(first.contains { $0.contains("\u{1B}") }, "no colours in a pipe")
    XCTAssertTrue(first[0].contains("[0] start: host "), "\(first[0])")
    XCTAssertEqual(first.filter { $0.contains("] step ") }.count, 6)

    let all = try lines("run", "--merge")
    XCTAssertEqual(all.filter { $0.contains("[1] step ") }.count, 6)
    let times = all.map { $0.prefix(23) }
    XCTAssertEqual(times, times.sorted())
    XCTAssertEqual(try lines("run", "--rank", "1").count, all.filter { $0.contains("[1] ") }.count)
    XCTAssertEqual(try lines("run", "--rank", "0-1"), all)

    let some = try lines("run", "--merge", "--step", "2..3")
    XCTAssertEqual(some.filter { $0.contains("] step ") }.count, 4)
    XCTAssertTrue(some.allSatisfy { !$0.contains("step 1:") && !$0.contains("step 4:") }, "\(some)")
    XCTAssertEqual(try lines("run", "--level", "error"), [])
  }

  func testSlowest() throws {
    try train("run", ranks: 2)
    let report = try lines("run", "--slowest")
    XCTAssertTrue(report[0].hasPrefix("6 steps of ranks 0–1, "), "\(report)")
    XCTAssertTrue(report.contains { $0.hasPrefix("student forward ") && $0.contains(" on ") }, "\(report)")
    XCTAssertTrue(
      report.last?.hasPrefix("no straggler") == true || report.contains { $0.contains("holds the others up") },
      "\(report)")
    XCTAssertEqual(try lines("run", "--slowest", "--step", "2..4")[0].prefix(8), "3 steps ")
    // It goes on with one rank, whose steps are not compared with those that two have computed.
    try train("fewer", ranks: 2)
    try train("fewer", ["schedule.epochs=4"], ranks: 1, options: ["--resume", "latest"])
    XCTAssertTrue(try lines("fewer", "--slowest", status: 2)[0].contains("only one rank"))
    XCTAssertEqual(try lines("fewer", "--slowest", "--step", "..5")[0].prefix(22), "6 steps of ranks 0–1, ")
    try train("alone")
    let alone = try lines("alone", "--slowest", status: 2)
    XCTAssertTrue(alone[0].contains("only one rank"), "\(alone)")
  }

  func testBrokenLinesAreNamedAndPassedOver() throws {
    try train("run")
    let log = try FileHandle(forWritingTo: URL(fileURLWithPath: path("run/logs/rank-0000.jsonl")))
    try log.seekToEnd()
    try log.write(contentsOf: Data("{\"time\":\"2025\n{\"time".utf8))
    try log.close()
    let outcome = try run(["logs", "run"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.errors.contains("run/logs/rank-0000.jsonl: 1 line is broken and left out"), outcome.errors)
    XCTAssertEqual(outcome.output.split(separator: "\n").filter { $0.contains("] step ") }.count, 6)
  }

  func testErrors() throws {
    try train("run")
    XCTAssertTrue(try lines("rum", status: 2)[0].hasSuffix("rum: no such run; this folder holds run"))
    XCTAssertTrue(try lines("run", "--rank", "3", status: 2)[0].contains("has no log of rank 3; it has those of 0"))
    for more in [[], ["--merge"], ["--rank", "0"], ["--level", "error"], ["--slowest"]] {
      let outcome = try run(["logs", "run", "--step", "900.."] + more)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      XCTAssertEqual(outcome.output, "")
      XCTAssertTrue(outcome.errors.hasSuffix("no step has been logged, or none of those asked for\n"), outcome.summary)
    }
    XCTAssertEqual(try lines("run", "--step", "5", "--level", "error"), [], "it was logged, and nothing was wrong")
    for bad in [["--rank", "x"], ["--step", "5..2"], ["--level", "loud"], ["--slowest", "--follow"]] {
      XCTAssertEqual(try run(["logs", "run"] + bad).status, 64, "\(bad)")
    }
  }

  /// Lines appear as they are written, of ranks that come later too.
  func testFollow() throws {
    try train("run")
    let command = try Command(["logs", "run", "--follow", "--merge"], ranks: nil, in: directory)
    func wait(_ text: String, line: UInt = #line) {
      let limit = ProcessInfo.processInfo.systemUptime + 20
      while !command.outputSoFar.contains(text), ProcessInfo.processInfo.systemUptime < limit { usleep(20_000) }
      XCTAssertTrue(
        command.outputSoFar.contains(text), "“\(text)” does not appear in \(command.outputSoFar)", line: line)
    }
    wait("finished after 6 steps")
    let message = { (rank: Int, text: String) in
      #"{"time":"2099-01-01 00:00:00.000","rank":\#(rank),"level":"warning","message":"\#(text)"}"# + "\n"
    }
    try write("run/logs/rank-0007.jsonl", message(7, "late rank"))
    wait("[7] warning: late rank")
    let log = try FileHandle(forWritingTo: URL(fileURLWithPath: path("run/logs/rank-0000.jsonl")))
    try log.seekToEnd()
    let whole = message(0, "in two pieces")
    try log.write(contentsOf: Data(whole.prefix(60).utf8))
    usleep(700_000)
    XCTAssertFalse(command.outputSoFar.contains("2099-01-01 00:00:00.000 [0]"))
    try log.write(contentsOf: Data(whole.dropFirst(60).utf8))
    try log.close()
    wait("[0] warning: in two pieces")
    XCTAssertTrue(command.isRunning)
    command.send(SIGINT)
    XCTAssertFalse(command.wait(limit: 10).timedOut)
  }
}
