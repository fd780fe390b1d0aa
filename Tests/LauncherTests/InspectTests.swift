import Foundation
import XCTest

final class InspectTests: CommandTestCase {
  func testWhatIsInACheckpoint() throws {
    try train("run")
    let outcome = try run(["inspect", "run/checkpoints/latest", "--datasets", "--config", "--verify"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let words = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    for line in [
      ["step", "6"], ["epoch", "3"], ["seed", "7"], ["semi_supervised_steps", "4"], ["format_version", "1"],
      ["student/decoder.classifier.8.bias", "[4]", "float32"],
      ["student/encoder.bn1.num_batches_tracked", "[1]", "int64"],
    ] {
      XCTAssertTrue(words.contains(line), "\(line) in \(outcome.output)")
    }
    for group in ["/student", "/teacher", "/optimizer/momentum", "/bank", "/bank/queue"] {
      XCTAssertTrue(words.contains { $0.first == group && $0.count == 4 }, "\(group) in \(outcome.output)")
    }
    let config = try String(contentsOfFile: path("run/config.yaml"), encoding: .utf8)
    XCTAssertTrue(outcome.output.hasSuffix(config), outcome.output)
    let bank = try json(XCTUnwrap(metrics("run").dropLast().last))["bank"] as? [Int] ?? []
    XCTAssertTrue(outcome.output.contains("memory bank, keys by class"), "\(bank) in \(outcome.output)")
    XCTAssertTrue(outcome.output.contains("all checksums hold"), outcome.output)
  }

  /// One bit of any part of the file.
  func testVerifyFindsAFlippedBit() throws {
    try train("run")
    let original = try XCTUnwrap(FileManager.default.contents(atPath: checkpoint("run", step: 6)))
    for part in [0.3, 0.6, 0.9] {
      var damaged = original
      damaged[Int(Double(original.count) * part)] ^= 4
      try write("damaged.h5", damaged)
      try assertRefused(["inspect", "--verify", "damaged.h5"], at: [nil], saying: "damaged.h5", "checksum")
      try assertRefused(training("other") + ["--resume", "damaged.h5"], at: [nil], saying: "damaged.h5", "checksum")
    }
  }

  /// All checkpoints of a run, newest first, the damaged ones named.
  func testTheCheckpointsOfARun() throws {
    try train("run", ["checkpoint.every_steps=2"])
    let good = try run(["inspect", "--verify", "run"])
    XCTAssertEqual(good.status, 0, good.summary)
    let lines = good.output.split(separator: "\n")
    XCTAssertEqual(lines.count, 3, good.output)
    XCTAssertTrue(lines[0].hasPrefix("run/checkpoints/step-00000006.h5: all checksums hold  (latest"), good.output)
    try write("run/checkpoints/step-00000004.h5", "no checkpoint")
    let bad = try run(["inspect", "--verify", "run"])
    XCTAssertEqual(bad.status, 2, bad.summary)
    XCTAssertTrue(bad.output.contains("run/checkpoints/step-00000004.h5: is not a checkpoint"), bad.summary)
    XCTAssertTrue(bad.errors.contains("run: 1 of 3 checkpoints cannot be used"), bad.summary)
  }
}
