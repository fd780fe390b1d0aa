import Foundation
import XCTest

/// Configurations and command lines that cannot be run.
final class BadConfigurationTests: CommandTestCase {
  func testAConfigurationThatIsMissing() throws {
    try assertRefused(training("run", config: "none.yaml"), saying: "none.yaml", "no such file", "--config")
  }

  func testAnUnknownKey() throws {
    try write("tiny.yaml", tinyConfiguration().replacing("optimizer:", with: "optimiser:"))
    try assertRefused(
      training("run"), saying: "tiny.yaml:6:1: unknown key 'optimiser'; did you mean 'optimizer'?")
    try write("tiny.yaml", tinyConfiguration())
    try assertRefused(
      training("run", ["model.with=8"]), at: [nil], saying: "--set model.with=8", "did you mean 'width'?")
  }

  func testAValueOfTheWrongType() throws {
    try write("tiny.yaml", tinyConfiguration().replacing("features: 16", with: "features: many"))
    try assertRefused(training("run"), saying: "tiny.yaml:5:", "model.features", "whole number", "many")
  }

  func testABatchThatTheRanksCannotShare() throws {
    try assertRefused(
      training("run", ["batch.labeled=3"]), at: [2], saying: "batch.labeled", "3", "multiples of the 2 ranks", "-n",
      "--set batch.labeled=4")
    try assertRefused(
      training("run", ["batch.unlabeled=5"]), at: [2], saying: "batch.unlabeled", "5", "--set batch.unlabeled=6")
  }

  func testARunDirectoryThatIsTaken() throws {
    try train("run", ["schedule.epochs=1"])
    try assertRefused(training("run"), saying: "run already holds a run", "--resume latest", "--run")
    // The directory may also come from the configuration.
    try assertRefused(
      ["train", "--config", "tiny.yaml", "--set", "run.directory=run"], at: [nil], saying: "run already holds a run",
      "--resume latest")
  }

  func testARunDirectoryThatCannotBeMade() throws {
    try write("file", "in the way")
    try assertRefused(training("file/run"), saying: "file/run")
  }

  /// Bad usage has a status of its own, and is said once, whatever the number of ranks.
  func testBadUsage() throws {
    let lines: [(arguments: [String], says: String)] = [
      (["train"], "Missing expected argument '--config <file>'"),
      (["trian"], "trian"),
      (["train", "--config", "tiny.yaml", "--sett", "run.seed=1"], "Unknown option '--sett'"),
      (["evaluate", "--checkpoint", "x", "--network", "both"], "both"),
    ]
    for (arguments, says) in lines {
      for ranks in arguments.count == 1 ? [nil, 2] : [nil] {
        let outcome = try run(arguments, ranks: ranks, limit: patience)
        XCTAssertEqual(outcome.status, 64, outcome.summary)
        XCTAssertEqual(outcome.errors.components(separatedBy: "Error: ").count, 2, outcome.summary)
        XCTAssertTrue(outcome.errors.contains(says), outcome.summary)
        XCTAssertTrue(outcome.errors.contains("--help"), outcome.summary)
      }
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: path("runs")))
  }

  /// `mpirun` kills what still runs a second after a rank has failed; the one to speak may be slow to start.
  func testBadUsageWhenTheFirstRankIsLate() throws {
    let outcome = try Command(["train"], ranks: 2, late: 1.5, in: directory).wait(limit: patience)
    XCTAssertEqual(outcome.status, 64, outcome.summary)
    XCTAssertEqual(outcome.errors.components(separatedBy: "Error: ").count, 2, outcome.summary)
  }
}
