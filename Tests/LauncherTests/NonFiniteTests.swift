import Foundation
import XCTest

/// A number that goes wrong ends the run before it has changed anything, and is traced to loss, layer and images.
final class NonFiniteTests: CommandTestCase {
  private let settings = [
    "batch={labeled: 4, unlabeled: 4}", "schedule={epochs: 2, steps_per_epoch: 4, supervised_epochs: 1}",
    "checkpoint.every_steps=3",
  ]

  private func injected(_ fault: String, ranks: Int? = 2, testing: String = "1") throws -> Command.Outcome {
    try Command(
      training("run", settings), ranks: ranks, in: directory,
      environment: ["U2PL_TEST_NAN": fault, "U2PL_TESTING": testing]
    ).wait(limit: 60)
  }

  /// - Parameter checkpoint: of which step the last one is.
  private func assertStops(
    _ fault: String, ranks: Int? = 2, step: Int, checkpoint: Int, saying parts: [String], line: UInt = #line
  ) throws -> [String: Any] {
    let outcome = try injected(fault, ranks: ranks)
    XCTAssertFalse(outcome.timedOut, outcome.summary, line: line)
    XCTAssertEqual(outcome.status, 1, outcome.summary, line: line)
    let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error:") }
    XCTAssertEqual(messages.count, 1, outcome.summary, line: line)
    for part in parts + ["step \(step): ", "stopped before the update on all ranks"] {
      XCTAssertTrue(outcome.errors.contains(part), "“\(part)” is not said: \(outcome.summary)", line: line)
    }
    for rank in 0..<(ranks ?? 1) {
      let log = try String(contentsOfFile: path("run/logs/rank-000\(rank).log"), encoding: .utf8)
      XCTAssertTrue(log.contains("error: step \(step): "), log, line: line)
    }
    let latest = path("run/checkpoints/latest")
    XCTAssertEqual(
      try FileManager.default.destinationOfSymbolicLink(atPath: latest), "step-0000000\(checkpoint).h5", line: line)
    XCTAssertEqual(try run(["inspect", "--verify", latest]).status, 0, line: line)
    let record = try Data(contentsOf: URL(fileURLWithPath: path("run/nonfinite-step-0000000\(step).json")))
    let object = try XCTUnwrap(JSONSerialization.jsonObject(with: record) as? [String: Any])
    XCTAssertEqual(object["step"] as? Int, step, line: line)
    try FileManager.default.removeItem(atPath: path("run"))
    return object
  }

  func testABadImageIsNamed() throws {
    let record = try assertStops(
      "image:5:2", step: 5, checkpoint: 4,
      saying: [
        "the supervised loss is nan", "encoder.conv1.1 of the student: the moments of what encoder.conv1.0 puts out",
        "Images with numbers that are not finite: shapes-00000", "(labeled slot 2, rank 1)",
        "run/nonfinite-step-00000005.json",
        "--resume run/checkpoints/step-00000004.h5",
      ])
    let images = try XCTUnwrap(record["images"] as? [[String: Any]])
    XCTAssertEqual(
      images.map { $0["kind"] as? String },
      Array(repeating: "labeled", count: 4) + Array(repeating: "unlabeled", count: 4))
    XCTAssertEqual(images.map { $0["slot"] as? Int }, [0, 1, 2, 3, 0, 1, 2, 3])
    XCTAssertEqual(images.map { $0["rank"] as? Int }, [0, 0, 1, 1, 0, 0, 1, 1])
    XCTAssertEqual(images.map { $0["non_finite_pixels"] as? Int }, [0, 0, 1, 0, 0, 0, 0, 0])
    // In a supervised step, on one process.
    let alone = try assertStops(
      "image:3:0", ranks: nil, step: 3, checkpoint: 3,
      saying: ["the supervised loss is nan", "(labeled slot 0, rank 0)"])
    XCTAssertEqual((alone["images"] as? [[String: Any]])?.count, 4)
  }

  func testABadWeightIsNamed() throws {
    for (name, step, checkpoint) in [("encoder.layer2.0.conv1.weight", 5, 4), ("decoder.classifier.8.bias", 3, 3)] {
      let record = try assertStops(
        "weight:\(step):\(name)", step: step, checkpoint: checkpoint,
        saying: ["the supervised loss is nan", "numbers of \(name) are not finite"])
      XCTAssertTrue((record["layer"] as? String ?? "").contains(name))
    }
    _ = try assertStops(
      "weight:5:decoder.representation.8.weight", step: 5, checkpoint: 4,
      saying: ["decoder.representation.8 of the student: 1 of "])
  }

  func testABadGradientIsNamed() throws {
    _ = try assertStops(
      "gradient:4:encoder.layer3.0.conv1.weight", step: 4, checkpoint: 4,
      saying: [
        "the gradient is not finite, though the loss is",
        "The first layer of the backward pass to have it is encoder.layer3.0.conv1.weight",
      ])
  }

  /// Not injected: a learning rate that is too high. What is written down makes it happen again, on another number of ranks.
  func testWhatIsWrittenDownReplaysIt() throws {
    let diverging = settings + ["optimizer.learning_rate=1000", "checkpoint.every_steps=1"]
    let outcome = try run(training("run", diverging), ranks: 2)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    let name = try XCTUnwrap(
      FileManager.default.contentsOfDirectory(atPath: path("run")).first { $0.hasPrefix("nonfinite") })
    let record = try json(try String(contentsOfFile: path("run/\(name)"), encoding: .utf8))
    let words = try XCTUnwrap(record["replay"] as? String).split(separator: " ").map(String.init)
    XCTAssertEqual(words.first, "u2pl")
    let again = try run(Array(words.dropFirst()))
    XCTAssertEqual(again.status, 1, again.summary)
    let replayed = try json(try String(contentsOfFile: path("run-replay/\(name)"), encoding: .utf8))
    for key in ["step", "found", "layer"] { XCTAssertEqual("\(replayed[key]!)", "\(record[key]!)") }
  }

  func testTheHookIsRefusedOutsideTests() throws {
    let outcome = try injected("image:1:0", testing: "0")
    XCTAssertEqual(outcome.status, 2, outcome.summary)
    XCTAssertTrue(outcome.errors.contains("U2PL_TEST_NAN is set"), outcome.summary)
    XCTAssertEqual(try injected("picture:1:0").status, 2)
  }

  func testClippingComputesTheSameBitsOnAnyNumberOfRanks() throws {
    let clipped = settings + ["optimizer.clip_norm=0.5"]
    try train("alone", clipped)
    for ranks in [2, 4] {
      try train("on\(ranks)", clipped, ranks: ranks)
      try assertSame("alone", "on\(ranks)", lastStep: 8)
    }
    let norms = try metrics("alone").compactMap { try json($0)["gradient_norm"] as? Double }
    XCTAssertEqual(norms.count, 8)
    XCTAssertGreaterThan(norms.max() ?? 0, 0.5, "nothing was clipped")
    // It does something.
    try train("plain", settings)
    XCTAssertNil(try json(try metrics("plain").first ?? "")["gradient_norm"])
    XCTAssertNotEqual(try metrics("plain").last, try metrics("alone").last)
  }
}
