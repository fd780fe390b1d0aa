import Foundation
import XCTest

import Report

final class MetricsReaderTests: RunTestCase {
  func testWhatLinesSay() throws {
    let reader = try RunReader.open(run("a", steps: 10))
    XCTAssertEqual(reader.metrics.stepCount, 10)
    XCTAssertEqual(reader.metrics.lastStep, 9)
    XCTAssertEqual(reader.metrics.damagedCount, 0)
    XCTAssertEqual(reader.metrics.seconds, 6, "ten steps of half a second and an evaluation of one")
    XCTAssertEqual(reader.metrics.steps.column("loss")?.means.first, 1)
    XCTAssertEqual(reader.metrics.classes.column("bank/1")?.means, [Float](repeating: 4, count: 10))
    XCTAssertEqual(reader.metrics.last?.iou, [0.4, nil])
    XCTAssertEqual(reader.classNames, ["sky", "road"])
  }

  /// Whatever a kill, a full disk or an editor leaves in the file is left out and counted; the lines around it are
  /// read.
  func testDamagedLinesAreLeftOutAndCounted() throws {
    let damages = [
      "", "{", "nonsense", "[1,2]", "null", "{\"step\":-1,\"loss\":1}", "{\"step\":1.5,\"loss\":1}", "{\"loss\":1}",
      "{\"step\":\"3\",\"loss\":1}", "{\"step\":3,\"loss\":\"x\"}", "{\"step\":3,\"evaluation\":{}}",
      "{\"step\":3,\"evaluation\":7}", "{\"step\":3,\"loss\":1}}", "{\"step\":3,\"loss\":01}",
      "{\"step\":3,\"loss\":nan}",
      "{\"step\":99999999999999999999,\"loss\":1}", "\u{0}\u{0}\u{0}", "{\"step\":3,\"loss\":1,}",
      String(repeating: "[", count: 100_000), "{\"step\":11}",
    ]
    for (number, damage) in damages.enumerated() {
      let folder = try run("run-\(number)")
      try append(damage + "\n" + Self.step(10) + "\n", to: folder + "/metrics.jsonl")
      let reader = try RunReader.open(folder)
      let place = "“\(damage.prefix(60))”"
      XCTAssertEqual(reader.metrics.damagedCount, 1, place)
      XCTAssertEqual(reader.metrics.firstDamaged, [12], place)
      XCTAssertEqual(reader.metrics.stepCount, 11, place)
      XCTAssertTrue(ReportPage.html([reader]).contains("\"damaged\":1,"), place)
    }
    // A line with what a later version may tell is none of them.
    let folder = try run("later")
    try append("{\"step\":10,\"weather\":{\"rain\":1}}\n", to: folder + "/metrics.jsonl")
    XCTAssertEqual(try RunReader.open(folder).metrics.damagedCount, 0)
  }

  /// A file that grows is read on from where the last reading ended; a line without its end waits, and counts as
  /// damaged until it has one. One that was cut by a resume is read anew.
  func testGrowing() throws {
    let folder = try run("a"), file = folder + "/metrics.jsonl"
    let reader = try RunReader.open(folder)
    let line = Self.step(10)
    try append(String(line.prefix(30)), to: file)
    try reader.refresh()
    XCTAssertEqual(reader.metrics.damagedCount, 1)
    try append(line.dropFirst(30) + "\n", to: file)
    try reader.refresh()
    XCTAssertEqual(reader.metrics.damagedCount, 0)
    XCTAssertEqual(reader.metrics.lastStep, 10)
    try append(Self.step(4) + "\n", to: file)
    try reader.refresh()
    XCTAssertEqual(reader.metrics.repeatedCount, 1)
    XCTAssertEqual(reader.metrics.stepCount, 11)

    try run("a", steps: 5)
    try reader.refresh()
    XCTAssertEqual(reader.metrics.stepCount, 5)
    XCTAssertEqual(reader.metrics.repeatedCount, 0)
  }

  func testNoRun() throws {
    for (name, words) in [("absent", "no such run"), ("", "no metrics.jsonl")] {
      XCTAssertThrowsError(try RunReader.open(path(name))) { XCTAssertTrue("\($0)".contains(words), "\($0)") }
    }
  }

  /// A run whose other files are missing or damaged is reported on all the same.
  func testWithoutTheRest() throws {
    let folder = try run("a")
    try "u2pl: [".write(toFile: folder + "/config.yaml", atomically: true, encoding: .utf8)
    try "{".write(toFile: folder + "/evaluation.json", atomically: true, encoding: .utf8)
    try "x\n{\"time\":1}\n".write(toFile: folder + "/logs/rank-0000.jsonl", atomically: true, encoding: .utf8)
    try "x\n".write(toFile: folder + "/logs/launch.jsonl", atomically: true, encoding: .utf8)
    let reader = try RunReader.open(folder)
    XCTAssertEqual(reader.times.damagedCount, 2)
    XCTAssertEqual(reader.problems.count, 1)
    XCTAssertEqual(reader.seed, "")
    try "run:\n  seed: 7\nlater: on\n".write(toFile: folder + "/config.yaml", atomically: true, encoding: .utf8)
    XCTAssertEqual(try RunReader.open(folder).seed, "7", "of a later version")
    XCTAssertTrue(ReportPage.html([reader]).hasSuffix("</html>\n"))
    try FileManager.default.removeItem(atPath: folder + "/logs")
    try FileManager.default.removeItem(atPath: folder + "/config.yaml")
    XCTAssertTrue(ReportPage.html([try RunReader.open(folder)]).hasSuffix("</html>\n"))
  }
}
