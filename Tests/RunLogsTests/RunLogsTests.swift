import Foundation
import RunLogs
import XCTest

/// Logs of ranks, written by hand, read back.
final class RunLogsTests: XCTestCase {
  private var directory = ""

  override func setUpWithError() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("u2pl-logs-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory + "/run/logs", withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: directory) }

  private var run: String { directory + "/run" }

  private func path(_ rank: Int) -> String { "\(run)/logs/rank-\(String(format: "%04d", rank)).jsonl" }

  private func write(_ rank: Int, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path(rank)))
  }

  private func append(_ rank: Int, _ text: String) throws {
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path(rank)))
    try file.seekToEnd()
    try file.write(contentsOf: Data(text.utf8))
    try file.close()
  }

  private func message(_ rank: Int, _ second: Double, _ text: String, level: String = "info") -> String {
    let time = String(format: "2025-11-26 10:00:%06.3f", second)
    return #"{"time":"\#(time)","rank":\#(rank),"level":"\#(level)","message":"\#(text)"}"# + "\n"
  }

  private func texts(_ logs: RunLogs) throws -> [String] {
    var found: [String] = []
    try logs.read { entry in
      if case .message(_, let text) = entry.kind { found.append(text) }
    }
    return found
  }

  private func error(_ body: () throws -> Void) -> String {
    do { try body() } catch let error as LogError { return error.description } catch { return "\(type(of: error))" }
    XCTFail("nothing was thrown")
    return ""
  }

  func testKindsOfLines() throws {
    let start = try XCTUnwrap(
      LogEntry(
        #"{"time":"2025-11-26 10:00:00.000","rank":3,"event":"start","host":"n1","pid":7,"ranks":4,"facts":["a","b"]}"#
          .utf8))
    guard case .start(let facts) = start.kind else { return XCTFail("\(start)") }
    XCTAssertEqual(facts.map(\.key), ["host", "pid", "ranks", "", ""])
    XCTAssertEqual(facts.map(\.value), ["n1", "7", "4", "a", "b"])
    let step = try XCTUnwrap(
      LogEntry(
        #"{"time":"2025-11-26 10:00:00.000","rank":0,"step":4,"seconds":3,"phases":{"z":1,"a b":1.5,"c":0.5},"waits":{"c":0.25}}"#
          .utf8))
    XCTAssertEqual(step.step, 4)
    guard case .step(let times) = step.kind else { return XCTFail("\(step)") }
    XCTAssertEqual(times.phases.map(\.phase), ["z", "a b", "c"], "in the order of the line")
    XCTAssertEqual(times.waits, [PhaseTime(phase: "c", seconds: 0.25)])
    let old = try XCTUnwrap(
      LogEntry(#"{"time":"2025-11-26 10:00:00.000","rank":0,"step":4,"seconds":3,"phases":{"z":1}}"#.utf8))
    guard case .step(let oldTimes) = old.kind else { return XCTFail("\(old)") }
    XCTAssertNil(oldTimes.waits)
    let warning = try XCTUnwrap(LogEntry(message(1, 2, "w", level: "warning").dropLast().utf8))
    XCTAssertEqual(warning.level, .warning)
    for bad in [
      "", "{}", "[]", "text", #"{"time":"2025-11-26 10:00:00.000","rank":0}"#,
      #"{"time":"soon","rank":0,"level":"info","message":"m"}"#,
      #"{"time":"2025-11-26 10:00:00.000","rank":-1,"level":"info","message":"m"}"#,
      #"{"time":"2025-11-26 10:00:00.000","rank":0,"level":"loud","message":"m"}"#,
      #"{"time":"2025-11-26 10:00:00.000","rank":0,"step":1,"seconds":1,"phases":{"a":"b"}}"#,
      #"{"time":"2025-11-26 10:00:00.000","rank":0,"level":"info","message":"m""#, "\0\0\0",
    ] { XCTAssertNil(LogEntry(bad.utf8), bad) }
  }

  /// By time; at the same time the lower rank first; of one rank in the order of its file, even where its clock was set back.
  func testMergedByTime() throws {
    try write(0, message(0, 1, "a") + message(0, 3, "d") + message(0, 2, "e") + message(0, 5, "h"))
    try write(1, message(1, 1, "b") + message(1, 4, "f"))
    try write(10, message(10, 1, "c") + message(10, 4, "g"))
    XCTAssertEqual(try texts(RunLogs(run: run)), ["a", "b", "c", "d", "e", "f", "g", "h"])
    XCTAssertEqual(try texts(RunLogs(run: run + "/", ranks: [1])), ["b", "f"])
    XCTAssertEqual(try RunLogs(run: run + "/logs").ranks, [0, 1, 10])
  }

  /// Lines are taken once they are whole, files once they appear, and one that was replaced from its beginning.
  func testGrowingFiles() throws {
    try write(0, message(0, 1, "a") + message(0, 2, "b").dropLast(9))
    let logs = try RunLogs(run: run)
    XCTAssertEqual(try texts(logs), ["a"])
    try append(0, String(message(0, 2, "b").suffix(9)) + message(0, 4, "d"))
    try write(1, message(1, 3, "c"))
    try logs.lookForFiles()
    XCTAssertEqual(try texts(logs), ["b", "c", "d"])
    XCTAssertEqual(try texts(logs), [])
    try FileManager.default.removeItem(atPath: path(0))
    try write(0, message(0, 6, "new"))
    try logs.lookForFiles()
    XCTAssertEqual(try texts(logs), ["new"])
    XCTAssertTrue(logs.broken.isEmpty)
  }

  func testLinesLongerThanABlock() throws {
    let long = String(repeating: "x", count: 1_000_000)
    try write(0, message(0, 1, long) + message(0, 2, "b"))
    XCTAssertEqual(try texts(RunLogs(run: run)).map(\.count), [1_000_000, 1])
  }

  func testBrokenLinesAreCountedAndNamed() throws {
    try write(0, message(0, 1, "a") + "{\"time\"\n\n" + message(0, 2, "b") + "\0\0\0\n")
    let logs = try RunLogs(run: run)
    XCTAssertEqual(try texts(logs), ["a", "b"])
    XCTAssertEqual(logs.broken.map(\.path), [path(0)])
    XCTAssertEqual(logs.broken.map(\.lines), [[2, 3, 5]])
  }

  func testErrorsNameWhatIsThere() throws {
    XCTAssertTrue(
      error { _ = try RunLogs(run: run) }.hasSuffix("run/logs: holds no rank-NNNN.jsonl; has the run begun?"))
    for rank in [0, 1, 2, 5] { try write(rank, "") }
    let rank = error { _ = try RunLogs(run: run, ranks: [1, 3]) }
    XCTAssertTrue(rank.hasSuffix("run/logs: has no log of rank 3; it has those of 0–2, 5"), rank)
    let missing = error { _ = try RunLogs(run: directory + "/rum") }
    XCTAssertEqual(missing, "\(directory)/rum: no such run; \(directory) holds run")
    let none = error { _ = try RunLogs(run: run + "/no") }
    XCTAssertEqual(none, "\(run)/no: no such run; \(run) holds no run")
    let other = error { _ = try RunLogs(run: directory) }
    XCTAssertTrue(other.hasPrefix("\(directory): has no folder logs"), other)
  }
}
