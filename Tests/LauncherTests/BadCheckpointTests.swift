import Foundation
import HDF5
import XCTest

/// Checkpoints that a run cannot go on from.
final class BadCheckpointTests: CommandTestCase {
  private let settings = ["checkpoint.every_steps=2"]

  /// Cuts a file's end off.
  private func truncate(_ path: String) throws {
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try file.truncate(atOffset: try file.seekToEnd() / 2)
    try file.close()
  }

  func testATruncatedCheckpoint() throws {
    try train("run", settings)
    try train("whole", settings)
    let newest = checkpoint("run", step: 6)
    try truncate(newest)
    try assertRefused(
      training("run", settings) + ["--resume", newest], saying: newest, "truncated")
    try assertRefused(["evaluate", "--checkpoint", newest], saying: newest, "truncated")
    try assertRefused(["inspect", newest], at: [nil], saying: newest, "truncated")

    for ranks in [nil, 2] {
      try truncate(newest)
      let outcome = try train("run", settings, ranks: ranks, options: ["--resume", "latest"])
      XCTAssertTrue(outcome.output.contains("step-00000006.h5 skipped: "), outcome.output)
      XCTAssertTrue(outcome.output.contains("step-00000004.h5 at step 4"), outcome.output)
      let log = try String(contentsOfFile: path("run/logs/rank-0000.log"), encoding: .utf8)
      XCTAssertTrue(log.contains("step-00000006.h5 skipped: "), log)
      try assertSame("run", "whole", lastStep: 6)
    }
  }

  func testNoCheckpointThatIsGood() throws {
    try train("run", settings)
    for step in [2, 4, 6] { try truncate(checkpoint("run", step: step)) }
    try assertRefused(
      training("run", settings) + ["--resume", "latest"], saying: "step-00000002.h5 skipped",
      "step-00000004.h5 skipped", "step-00000006.h5 skipped", "no checkpoint of run can be read")
  }

  func testACheckpointThatIsMissingOrNone() throws {
    try assertRefused(training("run") + ["--resume", "nowhere.h5"], saying: "nowhere.h5")
    try write("text.h5", String(repeating: "no checkpoint\n", count: 100))
    try assertRefused(training("run") + ["--resume", "text.h5"], at: [nil], saying: "text.h5")
    try assertRefused(training("run") + ["--resume", "."], at: [nil], saying: ".: is not a file, but a folder")
    try assertRefused(["evaluate", "--checkpoint", "text.h5"], at: [nil], saying: "text.h5")
    try assertRefused(["inspect", "nowhere.h5"], at: [nil], saying: "nowhere.h5")
  }

  /// A run directory in the place of a checkpoint.
  func testARunDirectory() throws {
    try train("whole", settings)
    for (name, place) in [("run", "run/"), ("inside", "inside/checkpoints")] {
      try FileManager.default.copyItem(atPath: path("whole"), toPath: path(name))
      try FileManager.default.removeItem(atPath: checkpoint(name, step: 6))
      // Without --run it is the run that goes on.
      let line = ["train", "--config", "tiny.yaml", "--resume", place] + settings.flatMap { ["--set", $0] }
      let outcome = try run(line)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertTrue(
        outcome.output.contains("resuming from \(name)/checkpoints/step-00000004.h5 at step 4"), outcome.summary)
      try assertSame("whole", name, lastStep: 6)
    }
    // Another directory than the run's; damaged checkpoints are passed over, and stay.
    try truncate(checkpoint("run", step: 6))
    let other = try run(training("other", settings) + ["--resume", "run"], ranks: 2)
    XCTAssertEqual(other.status, 0, other.summary)
    XCTAssertTrue(other.output.contains("run/checkpoints/step-00000006.h5 skipped: "), other.summary)
    XCTAssertTrue(FileManager.default.fileExists(atPath: checkpoint("run", step: 6)))
    XCTAssertTrue(
      FileManager.default.contentsEqual(atPath: checkpoint("whole", step: 6), andPath: checkpoint("other", step: 6)))
    try FileManager.default.createDirectory(atPath: path("none/checkpoints"), withIntermediateDirectories: true)
    try assertRefused(
      training("new") + ["--resume", "none"], at: [nil], saying: "none: this run has no checkpoint yet")
    // Where one checkpoint has to be named, the message names it.
    for command in [["evaluate"], ["predict", "-o", "out", "x.png"]] {
      try assertRefused(
        [command[0], "--checkpoint", "whole"] + command.dropFirst(), at: [nil],
        saying: "whole: is not a file, but a folder; name a checkpoint in it: whole/checkpoints/best")
    }
  }

  func testACheckpointOfAnotherModel() throws {
    try train("run", settings)
    let newest = checkpoint("run", step: 6)
    try assertRefused(
      training("run", ["model.width=24"]) + ["--resume", "latest"], saying: newest.replacing(directory + "/", with: ""),
      "another model", "decoder 16", "decoder 24")
    try assertRefused(
      training("other", ["data.classes=5"]) + ["--resume", newest], at: [nil], saying: newest, "another model",
      "4 classes", "5 classes")
    try assertRefused(
      training("other", ["model.encoder_width=0.5"]) + ["--resume", newest], at: [nil], saying: newest, "another model")
  }
}
