import Foundation
import XCTest

/// A bit that flips in one rank's memory is found at the next comparison of the ranks, and said which it was.
final class IntegrityTests: CommandTestCase {
  private let settings = [
    "batch={labeled: 4, unlabeled: 4}", "schedule={epochs: 2, steps_per_epoch: 6, supervised_epochs: 1}",
    "integrity.every_steps=4",
  ]

  private func flipped(_ bit: String, ranks: Int, testing: String = "1") throws -> Command.Outcome {
    try Command(
      training("run", settings), ranks: ranks, in: directory,
      environment: ["U2PL_TEST_FLIP_BIT": bit, "U2PL_TESTING": testing]
    ).wait(limit: 60)
  }

  private func assertFound(_ bit: String, ranks: Int, saying parts: String..., line: UInt = #line) throws {
    let outcome = try flipped(bit, ranks: ranks)
    XCTAssertFalse(outcome.timedOut, outcome.summary, line: line)
    XCTAssertNotEqual(outcome.status, 0, outcome.summary, line: line)
    for part in parts {
      XCTAssertTrue(outcome.errors.contains(part), "“\(part)” is not said: \(outcome.summary)", line: line)
    }
    try FileManager.default.removeItem(atPath: path("run"))
  }

  func testAFlippedBitIsFoundAndNamed() throws {
    let host = ProcessInfo.processInfo.hostName
    try assertFound(
      "2:1:student/encoder.layer2.0.conv1.weight", ranks: 4,
      saying: "step 3: the ranks' copies of student/encoder.layer2.0.conv1.weight differ",
      "rank 2 on \(host) holds other bits of it than the other 3")
    try assertFound(
      "1:7:optimizer/momentum/decoder.classifier.8.bias", ranks: 4,
      saying:
        "step 7: the ranks' copies of optimizer/momentum/decoder.classifier.8.bias differ: rank 1 on \(host) holds")
    try assertFound(
      "0:7:teacher/encoder.bn1.running_mean", ranks: 2,
      saying: "teacher/encoder.bn1.running_mean differ: rank 0 on \(host) and rank 1 on \(host) hold different bits")
  }

  /// A step at which nothing is due but a checkpoint: it is not written.
  func testNothingCorruptIsWritten() throws {
    let outcome = try flipped("1:5:student/decoder.classifier.8.weight", ranks: 2)
    XCTAssertTrue(
      outcome.errors.contains("step 5: the ranks' copies of student/decoder.classifier.8.weight"), outcome.summary)
    XCTAssertFalse(FileManager.default.fileExists(atPath: checkpoint("run", step: 6)))
  }

  /// Found while the checkpoint before it is on its way to the disk: it gets there.
  func testACheckpointOnItsWayIsNotCutShort() throws {
    let often = settings + ["checkpoint.every_steps=3", "integrity.every_steps=1"]
    let outcome = try Command(
      training("run", often), ranks: 2, in: directory,
      environment: [
        "U2PL_TEST_FLIP_BIT": "1:3:student/decoder.classifier.8.weight", "U2PL_TEST_SLOW_DISK": "2",
        "U2PL_TESTING": "1",
      ]
    ).wait(limit: 60)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    XCTAssertTrue(outcome.errors.contains("step 3: the ranks' copies of student/decoder.classifier.8"), outcome.summary)
    let verified = try run(["inspect", "--verify", "run/checkpoints/latest"])
    XCTAssertEqual(verified.status, 0, verified.summary)
    XCTAssertTrue(verified.output.contains("step                     3"), verified.output)
    let names = try FileManager.default.contentsOfDirectory(atPath: path("run/checkpoints"))
    XCTAssertEqual(names.sorted(), ["latest", "step-00000003.h5"])
  }

  func testTheHookIsRefusedOutsideTests() throws {
    let outcome = try flipped("0:1:student/encoder.bn1.weight", ranks: 2, testing: "0")
    XCTAssertEqual(outcome.status, 2, outcome.summary)
    XCTAssertTrue(outcome.errors.contains("U2PL_TEST_FLIP_BIT is set"), outcome.summary)
  }
}
