import Files
import Foundation
import RunLogs
import TestSupport
import XCTest

import Monitor

/// The state of runs whose files were written by hand, and how it is shown.
final class RunWatchTests: DirectoryTestCase {
  override func setUpWithError() throws {
    try super.setUpWithError()
    try FileManager.default.createDirectory(atPath: path("run/logs"), withIntermediateDirectories: true)
    let metrics = (0..<30).map { #"{"step":\#($0),"epoch":\#($0 / 10),"loss":\#(30 - $0),"gamma":0.5,"seconds":0.1}"# }
    try write(Array((metrics.joined(separator: "\n") + "\n").utf8), to: path("run/metrics.jsonl"))
  }

  private let start = #"{"time":"2026-11-28 07:00:00.000","rank":0,"event":"start","host":"node01","pid":1,"facts":[]}"#

  private func message(_ level: String, _ text: String, rank: Int = 0) -> String {
    #"{"time":"2026-11-28 07:00:01.000","rank":\#(rank),"level":"\#(level)","message":"\#(text)"}"#
  }

  private func step(_ number: Int, rank: Int = 0) -> String {
    #"{"time":"2026-11-28 07:00:02.000","rank":\#(rank),"step":\#(number),"seconds":0.2,"phases":{"backward":0.15},"#
      + #""waits":{"backward":0.1}}"#
  }

  private func watch(_ lines: [String], rank: Int = 0) throws -> RunWatch {
    try write(
      Array((lines.joined(separator: "\n") + "\n").utf8), to: path("run/logs/rank-000\(rank).jsonl"))
    let run = try RunWatch(path("run"))
    run.update()
    return run
  }

  func testHowRunsEnd() throws {
    XCTAssertEqual(try watch([start, step(29), message("info", "finished after 30 steps")]).state, .finished)
    let stopped = "stopped after 20 steps: rank 0 received SIGTERM"
    XCTAssertEqual(try watch([start, step(19), message("info", stopped)]).state, .stopped(stopped))
    XCTAssertEqual(try watch([start, message("error", "no such image")]).state, .failed("no such image"))
    XCTAssertEqual(try watch([start, step(12)]).state, .gone)
    // A resumed run begins anew after its last words, and its steps follow them.
    XCTAssertEqual(try watch([start, message("info", "stopped after 2 steps: x"), start, step(3)]).state, .gone)
  }

  /// The lock of a run is seen, and not taken.
  func testARunThatIsAtWork() throws {
    let lock = try FileLock(path: path("run/logs/train.lock"))
    guard FileManager.default.contents(atPath: "/proc/locks").map({ !$0.isEmpty }) ?? false else {
      throw XCTSkip("SKIPPED: /proc/locks shows no lock here")
    }
    XCTAssertEqual(try watch([start, step(12)]).state, .running)
    withExtendedLifetime(lock) {}
  }

  /// A run that goes on with fewer ranks has left logs and status files of the others.
  func testFewerRanksThanBefore() throws {
    func start(_ ranks: Int, rank: Int) -> String {
      #"{"time":"2026-11-28 07:00:00.000","rank":\#(rank),"event":"start","host":"a","pid":1,"ranks":\#(ranks),"facts":[]}"#
    }
    _ = try watch([start(3, rank: 2), step(3, rank: 2)], rank: 2)
    _ = try watch([start(3, rank: 1), step(3, rank: 1), start(2, rank: 1), step(4, rank: 1)], rank: 1)
    let run = try watch([start(3, rank: 0), step(3), start(2, rank: 0), step(4)])
    XCTAssertEqual(run.ranks.keys.sorted(), [0, 1])
    // More again.
    let more = #"{"time":"2026-11-28 07:00:09.000","rank":2,"event":"start","host":"a","pid":1,"ranks":3,"facts":[]}"#
    let lines = [start(3, rank: 0), step(3), start(2, rank: 0), step(4), start(3, rank: 0), step(5)]
    _ = try watch([start(3, rank: 2), step(3, rank: 2), more, step(5, rank: 2)], rank: 2)
    XCTAssertEqual(try watch(lines).ranks.keys.sorted(), [0, 1, 2])
  }

  func testWhatLaunchIsTold() throws {
    let events = [
      RunEvent(time: "2026-11-28 07:00:00.000", attempt: "a", rank: 0, .connected(ranks: 2)),
      RunEvent(
        time: "2026-11-28 07:00:00.000", attempt: "a", rank: 0,
        .start(.init(step: 0, totalSteps: 60, ranks: 2, host: "x", program: "y"))),
      RunEvent(time: "2026-11-28 07:00:01.000", attempt: "a", rank: 0, .checkpoint(step: 20)),
      RunEvent(time: "2026-11-28 07:00:01.000", attempt: "a", rank: 0, .finished(step: 60)),
    ]
    try write(events.flatMap { Array($0.line) }, to: path("run/logs/events.jsonl"))
    let run = try watch([start, step(12)])
    XCTAssertEqual(run.totalSteps, 60)
    XCTAssertEqual(run.checkpoint, 20)
    XCTAssertEqual(run.attempts, 1)
    XCTAssertEqual(run.state, .finished)
    XCTAssertTrue(WatchScreen.headline(run).contains("step 30/60  50 %"), WatchScreen.headline(run))
  }

  /// At any size no line is wider, and there are no more than the terminal has.
  func testItFitsTheTerminal() throws {
    _ = try watch([start, message("warning", "something is odd", rank: 1), step(29, rank: 1)], rank: 1)
    let run = try watch([start, message("warning", String(repeating: "long ", count: 60)), step(29)])
    XCTAssertEqual(run.warnings.count, 2)
    for (width, height) in [(20, 5), (40, 12), (80, 24), (200, 60)] {
      for isPlain in [false, true] {
        let lines = WatchScreen(width: width, height: height, isPlain: isPlain).lines(run)
        XCTAssertLessThanOrEqual(lines.count, height)
        for line in lines {
          XCTAssertLessThanOrEqual(line.count, width, line)
          XCTAssertTrue(!isPlain || line.allSatisfy(\.isASCII), line)
        }
      }
    }
    let large = WatchScreen(width: 200, height: 60).lines(run).joined(separator: "\n")
    for part in ["loss", "rank 0 on node01", "rank 1", "waits 0.100 s, mostly in backward", "something is odd"] {
      XCTAssertTrue(large.contains(part), "no \(part) in \(large)")
    }
  }

  func testNoRun() throws {
    for name in ["gone", "run"] {
      XCTAssertThrowsError(try RunWatch(path(name))) { XCTAssertTrue($0 is LogError, "\($0)") }
    }
  }
}
