import Foundation
import RunLogs
import XCTest

/// The lines by which ranks tell a launch what happens, and those of the launch's own log.
final class RunEventTests: XCTestCase {
  private func event(_ content: RunEvent.Content, rank: Int = 0) -> RunEvent {
    RunEvent(time: "2026-11-28 10:00:00.000", attempt: "5f0c-1", rank: rank, content)
  }

  func testEveryEventReadsBack() throws {
    let start = RunEvent.Start(step: 10, totalSteps: 80, ranks: 4, host: "node01", program: "0.1.0 (abc)")
    let words = RunEvent.LastWords(host: "n 1", step: 7, message: "/a/b.png: \"x\"\nγ\u{1}", code: 2)
    for content: RunEvent.Content in [
      .connected(ranks: 4), .resumed(step: 10, checkpoint: "run/checkpoints/step-00000010.h5"), .start(start),
      .firstStep(11), .step(12),
      .checkpoint(step: 20), .stopped(step: 21, message: "rank 0 received SIGUSR1"), .finished(step: 80),
      .failed(words),
    ] {
      let line = event(content, rank: 3).line
      XCTAssertEqual(line.filter { $0 == UInt8(ascii: "\n") }.count, 1, "\(content) is one line")
      XCTAssertEqual(line.last, UInt8(ascii: "\n"))
      XCTAssertEqual(try RunEvent(line: line), event(content, rank: 3))
    }
  }

  /// As other programs read them.
  func testKeys() {
    XCTAssertEqual(
      String(decoding: event(.step(12)).line, as: UTF8.self),
      #"{"attempt":"5f0c-1","event":"step","rank":0,"step":12,"time":"2026-11-28 10:00:00.000","version":1}"# + "\n")
    let words = RunEvent.LastWords(host: "n1", step: 7, message: "/a: gone", code: 2)
    XCTAssertEqual(
      String(decoding: event(.failed(words), rank: 1).line, as: UTF8.self),
      #"{"attempt":"5f0c-1","code":2,"event":"failed","host":"n1","message":"/a: gone","rank":1,"step":7,"#
        + #""time":"2026-11-28 10:00:00.000","version":1}"# + "\n")
  }

  private let head = #"{"version":1,"time":"2026-11-28 10:00:00.000","attempt":"5f0c-1","rank":0,"#

  func testWhatIsUnknownIsTolerated() throws {
    XCTAssertEqual(
      try RunEvent(line: (head + #""event":"step","step":12,"mood":{"good":[1,null]}}"#).utf8), event(.step(12)))
    XCTAssertEqual(try RunEvent(line: (head + #""event":"evaluated","iou":0.5}"#).utf8), event(.other("evaluated")))
  }

  func testAnotherVersionIsRefused() {
    for (line, expected) in [
      (#"{"version":2,"event":7,"attempt":"5f0c-1"}"#, RunEvent.OtherVersion(version: 2, attempt: "5f0c-1")),
      (#"{"version":0,"attempt":["x"]}"#, RunEvent.OtherVersion(version: 0, attempt: nil)),
    ] {
      XCTAssertThrowsError(try RunEvent(line: line.utf8)) { XCTAssertEqual($0 as? RunEvent.OtherVersion, expected) }
    }
  }

  func testBrokenLinesAreNoEvents() {
    for line in [
      "", "{}", "[]", "\0\0", "null", #"{"event":"step","step":1}"#, head, head + #""event":"step"}"#,
      head + #""event":"step","step":"12"}"#, head + #""event":"step","step":1.5}"#, head + #""step":12}"#,
      head + #""event":"failed","host":"h","step":1,"message":"m"}"#, head + #""event":"step","step":12}}"#,
      head + #""event":"failed","host":"h","step":1,"message":"m","code":99999999999}"#,
    ] {
      XCTAssertThrowsError(try RunEvent(line: line.utf8), line) {
        XCTAssertFalse($0 is RunEvent.OtherVersion, line)
      }
    }
  }

  // MARK: The environment of ranks

  func testTheChannelIsFoundInTheEnvironment() {
    let channel = EventChannel(attempt: "5f0c-1", directory: "runs/a b/logs")
    XCTAssertEqual(channel.variables, ["U2PL_ATTEMPT=5f0c-1", "U2PL_EVENTS=runs/a b/logs/events.jsonl"])
    let environment = ["U2PL_ATTEMPT": "5f0c-1", "U2PL_EVENTS": "runs/a b/logs/events.jsonl"]
    XCTAssertEqual(EventChannel(environment: environment), channel)
    for (name, value) in [("U2PL_ATTEMPT", nil), ("U2PL_EVENTS", nil), ("U2PL_ATTEMPT", ""), ("U2PL_EVENTS", "")] {
      var environment = environment
      environment[name] = value
      XCTAssertNil(EventChannel(environment: environment), name)
    }
    XCTAssertEqual(channel.path(ofRank: 0), "runs/a b/logs/events.jsonl")
    XCTAssertEqual(channel.path(ofRank: 3), "runs/a b/logs/events-0003.jsonl")
    XCTAssertEqual(channel.path(ofRank: 12345), "runs/a b/logs/events-12345.jsonl")
  }

  func testProgressIsMarked() {
    let line = "epoch 1/2  step 3/4"
    XCTAssertEqual(ProgressLine.unmarked(ProgressLine.marked(line)), line)
    for other in [line, "", "warning: x"] { XCTAssertNil(ProgressLine.unmarked(other)) }
  }

  // MARK: The launch's own log

  private func file(_ text: String) throws -> String {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("u2pl-launch-\(UUID().uuidString).jsonl")
    try Data(text.utf8).write(to: url)
    addTeardownBlock { try? FileManager.default.removeItem(at: url) }
    return url.path
  }

  func testRecordsReadBack() throws {
    var begin = LaunchRecord(.attempt, attempt: 1)
    (begin.time, begin.id, begin.ranks, begin.hosts) = ("2026-11-28 10:00:00.000", "5f0c-1", 4, ["a", "b"])
    (begin.threads, begin.instructions) = (2, "avx2")
    var first = LaunchRecord(.firstStep, attempt: 1)
    (first.step, first.resumedFrom, first.seconds) = (11, 10, 1.5)
    var end = LaunchRecord(.end, attempt: 1)
    (end.how, end.rank, end.host, end.signal, end.code) = ("\"x\"\n", 1, "b", 9, 2)
    let records = [begin, first, end]
    let text = records.map { String(decoding: $0.line, as: UTF8.self) }.joined()
    XCTAssertEqual(text.filter { $0 == "\n" }.count, 3)
    XCTAssertTrue(
      text.contains(#"{"attempt":1,"event":"first step","resumed_from":10,"seconds":1.5,"step":11,"version":1}"#), text)
    XCTAssertEqual(LaunchRecord.last(of: try file(text)), records)
  }

  /// Version 0.1.0 of the program wrote the first line.
  func testRecordsOfOtherVersionsAndBrokenOnes() throws {
    let old = #"{"attempt":1,"event":"attempt","hosts":["localhost"],"instructions":"avx512","ranks":2,"threads":1}"#
    let path = try file(
      old + "\n{\"event\":\"att\n\n" + #"{"event":"attempt","version":2,"instructions":"avx1024"}"# + "\n"
        + #"{"event":"end","version":1,"mood":"good"}"# + "\n" + #"{"event":"attempt","instructions":"torn"#)
    let records = LaunchRecord.last(of: path)
    XCTAssertEqual(records.map(\.event), [.attempt, .end])
    XCTAssertEqual(records.first?.instructions, "avx512")
    XCTAssertEqual(records.first?.hosts, ["localhost"])
    XCTAssertEqual(LaunchRecord.last(of: path + ".none"), [])
  }

  func testOnlyTheEndOfALongLogIsRead() throws {
    let lines = (1...2000).map { LaunchRecord(.end, attempt: $0).line }
    let path = try file(lines.map { String(decoding: $0, as: UTF8.self) }.joined())
    let read = LaunchRecord.last(of: path).compactMap(\.attempt)
    XCTAssertLessThan(read.count, 2000)
    XCTAssertEqual(read, Array((2001 - read.count)...2000))
    XCTAssertGreaterThan(read.count, 1000)
  }
}
