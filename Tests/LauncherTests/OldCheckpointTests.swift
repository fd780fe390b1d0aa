import Dataset
import Foundation
import XCTest

/// A checkpoint that version 0.1.0 has written (Tests/Checkpoints/version-0.1.0): this version evaluates it, predicts with it,
/// and goes on from it.
///
/// Another processor, or another version of a library, rounds otherwise; so numbers are compared within a tolerance that is
/// small beside what a wrong network gives.
final class OldCheckpointTests: CommandTestCase {
  /// What version 0.1.0 has measured.
  private struct Expected: Decodable {
    /// Of the validation images, 0–1.
    let meanIoU: Double
    let pixelAccuracy: Double
    /// Pixels that `u2pl predict` gives each class, on the validation images.
    let predicted: [Int]
  }

  private static let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../Checkpoints/version-0.1.0").standardizedFileURL.path
  private let step = 236
  private let steps = 240

  override func setUpWithError() throws {
    try super.setUpWithError()
    try write("old.yaml", FileManager.default.contents(atPath: "\(Self.fixture)/config.yaml") ?? Data())
    try tool(
      "/bin/sh", ["-c", "gzip -dc \"$0\" > \"$1\"", "\(Self.fixture)/step-00000236.h5.gz", path("old.h5")],
      package: "dash")
  }

  private func expected() throws -> Expected {
    try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: URL(fileURLWithPath: "\(Self.fixture)/expected.json")))
  }

  func testItIsWhole() throws {
    let outcome = try run(["inspect", "old.h5", "--verify"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    XCTAssertTrue(outcome.output.contains("0.1.0"), outcome.summary)
  }

  func testItEvaluates() throws {
    let expected = try expected()
    let outcome = try run(["evaluate", "--checkpoint", "old.h5"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let last = try XCTUnwrap(
      outcome.output.firstMatch(of: /mIoU ([\d.]+) %  pixel accuracy ([\d.]+) %/), outcome.summary)
    // A pixel is 0.01 % of all.
    XCTAssertEqual(try XCTUnwrap(Double(last.1)), expected.meanIoU * 100, accuracy: 0.1)
    XCTAssertEqual(try XCTUnwrap(Double(last.2)), expected.pixelAccuracy * 100, accuracy: 0.1)
    XCTAssertTrue(outcome.output.contains("(teacher, "), outcome.output)
  }

  func testItPredicts() throws {
    let expected = try expected()
    let made = try run([
      "data", "shapes", "-o", "shapes", "--labeled", "12", "--unlabeled", "18", "--validation", "8", "--size", "33",
      "--classes", "3", "--seed", "0",
    ])
    XCTAssertEqual(made.status, 0, made.summary)
    let images = try FileManager.default.contentsOfDirectory(atPath: path("shapes/JPEGImages")).sorted()
      .filter { $0.hasPrefix("shapes-2") }.map { "shapes/JPEGImages/\($0)" }
    let outcome = try run(["predict", "--checkpoint", "old.h5", "-o", "out"] + images)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    var counts = [0, 0, 0]
    for name in try FileManager.default.contentsOfDirectory(atPath: path("out/index")) {
      for value in try ImageFile.readLabels(path("out/index/\(name)")).values { counts[Int(value)] += 1 }
    }
    XCTAssertEqual(counts.reduce(0, +), 8 * 33 * 33)
    for (count, expected) in zip(counts, expected.predicted) {
      XCTAssertEqual(Double(count), Double(expected), accuracy: 10, "\(counts)")
    }
  }

  /// Goes on to the end, and computes what version 0.1.0 has computed.
  private func assertItGoesOn(_ name: String, ranks: Int?, line: UInt = #line) throws {
    let outcome = try run(
      training(name, config: "old.yaml") + ["--resume", path("old.h5")], ranks: ranks, line: line)
    XCTAssertEqual(outcome.status, 0, outcome.summary, line: line)
    XCTAssertTrue(outcome.output.contains("at step \(step)"), outcome.summary, line: line)
    let old = try String(contentsOfFile: "\(Self.fixture)/metrics.jsonl", encoding: .utf8).split(separator: "\n")
      .map { try json(String($0)) }
    let new = try metrics(name).map(json)
    XCTAssertEqual(new.count, old.count, "\(steps - step) steps and an evaluation", line: line)
    for (new, old) in zip(new, old) {
      XCTAssertEqual(new["step"] as? Int, old["step"] as? Int, line: line)
      for term in ["loss", "supervised", "unsupervised", "contrastive", "gamma", "learning_rate"] {
        guard let value = old[term] as? Double else { continue }
        XCTAssertEqual(
          new[term] as? Double ?? .nan, value, accuracy: 1e-3 * abs(value), "\(term) of \(new)", line: line)
      }
      guard let evaluation = old["evaluation"] as? [String: Any] else { continue }
      XCTAssertEqual(
        (new["evaluation"] as? [String: Any])?["mean_iou"] as? Double ?? .nan,
        try XCTUnwrap(evaluation["mean_iou"] as? Double), accuracy: 1e-3, line: line)
    }
    let verified = try run(["inspect", checkpoint(name, step: steps), "--verify"], line: line)
    XCTAssertEqual(verified.status, 0, verified.summary, line: line)
  }

  func testItGoesOn() throws { try assertItGoesOn("alone", ranks: nil) }

  func testItGoesOnOnTwoRanks() throws {
    try assertItGoesOn("alone", ranks: nil)
    try assertItGoesOn("two", ranks: 2)
    try assertSame("alone", "two", lastStep: steps)
  }
}
