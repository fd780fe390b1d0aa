import Checkpoint
import Foundation
import TestSupport
import XCTest

final class MetricsFileTests: DirectoryTestCase {
  private func text(_ name: String) throws -> String {
    String(decoding: try bytes(path(name)), as: UTF8.self)
  }

  func testAppendsLines() throws {
    let metrics = try MetricsFile(path: path("m.jsonl"), resumeAt: nil)
    try metrics.append("{\"step\":0,\"loss\":1.50}")
    XCTAssertEqual(try text("m.jsonl"), "{\"step\":0,\"loss\":1.50}\n", "readable at once")
    try metrics.append("{\"step\":1}")
    metrics.close()
    metrics.close()
    XCTAssertEqual(try text("m.jsonl"), "{\"step\":0,\"loss\":1.50}\n{\"step\":1}\n")
    XCTAssertTrue(message { try metrics.append("{}") }.contains("is closed"))
  }

  func testANewRunStartsEmpty() throws {
    try write(Array("{\"step\":0}\n".utf8), to: path("m.jsonl"))
    _ = try MetricsFile(path: path("m.jsonl"), resumeAt: nil)
    XCTAssertEqual(try text("m.jsonl"), "")
  }

  func testResumeDropsLaterLinesAndATornOne() throws {
    let kept = "{\"step\":0,\"loss\":0.1000}\n{\"step\": 1, \"x\": {\"step\": 9}}\n{\"evaluation\":true}\n"
    let dropped = "{\"step\":2}\n{\"step\":3,\"loss\":1}\n"
    try write(Array((kept + dropped + "{\"step\":1,\"lo").utf8), to: path("m.jsonl"))
    let metrics = try MetricsFile(path: path("m.jsonl"), resumeAt: 2)
    XCTAssertEqual(try text("m.jsonl"), kept)
    try metrics.append("{\"step\":2,\"again\":1}")
    XCTAssertEqual(try text("m.jsonl"), kept + "{\"step\":2,\"again\":1}\n")
    XCTAssertEqual(try names(in: directory), ["m.jsonl"])
  }

  func testResumeBeforeAnEvaluationDropsItsLine() throws {
    let kept = "{\"step\":0}\n{\"step\":0,\"evaluation\":{}}\n{\"step\":1}\n"
    try write(Array((kept + "{\"step\":1,\"evaluation\":{}}\n{\"step\":2}\n").utf8), to: path("m.jsonl"))
    _ = try MetricsFile(path: path("m.jsonl"), resumeAt: 2, evaluatesAgain: true)
    XCTAssertEqual(try text("m.jsonl"), kept)
  }

  /// What stays is the beginning, as in every run that was killed: no second copy is needed, which a full disk would not take.
  func testResumeCutsTheFileInPlace() throws {
    let kept = "{\"step\":0}\n{\"step\":1}\n"
    try write(Array((kept + "{\"step\":2}\n{\"step\":3,\"lo").utf8), to: path("m.jsonl"))
    let number = {
      try FileManager.default.attributesOfItem(atPath: self.path("m.jsonl"))[.systemFileNumber] as? UInt64
    }
    let before = try number()
    _ = try MetricsFile(path: path("m.jsonl"), resumeAt: 2)
    XCTAssertEqual(try text("m.jsonl"), kept)
    XCTAssertEqual(try number(), before)
  }

  func testResumeWithoutAFileStartsOne() throws {
    let metrics = try MetricsFile(path: path("m.jsonl"), resumeAt: 5)
    try metrics.append("{\"step\":5}")
    XCTAssertEqual(try text("m.jsonl"), "{\"step\":5}\n")
  }

  func testErrorsNameThePath() throws {
    let missing = message { _ = try MetricsFile(path: path("none/m.jsonl"), resumeAt: nil) }
    XCTAssertTrue(missing.hasPrefix(path("none/m.jsonl")) && missing.contains("No such file"), missing)
    let metrics = try MetricsFile(path: path("m.jsonl"), resumeAt: nil)
    XCTAssertTrue(message { try metrics.append("a\nb") }.contains("newline"))
    XCTAssertEqual(try text("m.jsonl"), "")
  }

  func testAFailedLineLeavesNothing() throws {
    let metrics = try MetricsFile(path: path("m.jsonl"), resumeAt: nil)
    try metrics.append(String(repeating: "a", count: 3_999_000))
    let resource = __rlimit_resource_t(1)  // RLIMIT_FSIZE, on Linux, stands in for a full disk
    var limit = rlimit()
    XCTAssertEqual(getrlimit(resource, &limit), 0)
    let before = limit
    let handler = signal(SIGXFSZ, SIG_IGN)
    limit.rlim_cur = 4_000_000
    XCTAssertEqual(setrlimit(resource, &limit), 0)
    let failure = message { try metrics.append(String(repeating: "b", count: 5000)) }
    limit = before
    XCTAssertEqual(setrlimit(resource, &limit), 0)
    signal(SIGXFSZ, handler)
    XCTAssertTrue(failure.contains("File too large"), failure)
    XCTAssertEqual(try bytes(path("m.jsonl")).count, 3_999_001)
    XCTAssertEqual(metrics.waitingCount, 1)
    try metrics.synchronize()
    XCTAssertEqual(metrics.waitingCount, 0, "what waits is tried before the file is said to be on the disk")
    try metrics.append("c")
    XCTAssertEqual(metrics.waitingCount, 0)
    XCTAssertTrue(try text("m.jsonl").hasSuffix("a\n" + String(repeating: "b", count: 5000) + "\nc\n"), "in order")
  }
}
