import Foundation
import XCTest

/// `train --dry-run` says what a run will take, finds what is wrong with it, and leaves nothing behind.
final class DryRunTests: CommandTestCase {
  private func dryRun(_ settings: [String] = []) -> [String] {
    ["train", "--config", "tiny.yaml", "--dry-run"] + settings.flatMap { ["--set", $0] }
  }

  func testItSaysWhatARunTakesOnAnyNumberOfRanks() throws {
    let before = try FileManager.default.subpathsOfDirectory(atPath: directory).sorted()
    for ranks in [nil, 1, 2, 4] as [Int?] {
      let outcome = try run(dryRun(["batch={labeled: 4, unlabeled: 4}"]), ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      let parts = [
        "encoder: resnet18",  // of the resolved configuration
        "high_rank: 4", "5 labeled, 7 unlabeled, 5 validation images", "million parameters", "maps of 33×33 images",
        "the \(ranks ?? 1) ranks of", "s a supervised step", "3 epochs of 2 steps", "ready",
      ]
      for part in parts { XCTAssertTrue(outcome.output.contains(part), "“\(part)” is not said: \(outcome.summary)") }
    }
    XCTAssertEqual(try FileManager.default.subpathsOfDirectory(atPath: directory).sorted(), before)
  }

  /// More pixels need more memory and time, in proportion.
  func testItGrowsWithTheBatch() throws {
    func estimate(_ images: Int) throws -> (memory: Double, seconds: Double) {
      let outcome = try run(
        dryRun(["batch={labeled: \(images), unlabeled: \(images)}", "augment.crop=321", "data.size=321"]))
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      let memory = outcome.output.firstMatch(of: /images (\d+\.\d+) GiB, bank/).flatMap { Double($0.1) }
      let seconds = outcome.output.firstMatch(of: /(\d+\.\d+) s a semi-supervised step/).flatMap { Double($0.1) }
      return (try XCTUnwrap(memory, outcome.output), try XCTUnwrap(seconds, outcome.output))
    }
    let (few, many) = (try estimate(4), try estimate(64))
    XCTAssertGreaterThan(many.memory / few.memory, 10)
    XCTAssertGreaterThan(many.seconds / few.seconds, 4)
  }

  func testMemoryThatWillNotSuffice() throws {
    try assertRefused(
      dryRun(["batch={labeled: 512, unlabeled: 512}", "augment.crop=2049", "data.size=2049"]), at: [2],
      saying: "of memory available", "fewer ranks", "batch.labeled", "augment.crop")
  }

  /// The calibration's own batch suits any number of ranks; the run's does not.
  func testABatchThatTheRanksCannotShare() throws {
    try assertRefused(dryRun(["batch={labeled: 4, unlabeled: 5}"]), at: [2], saying: "must both be multiples of the 2")
  }

  /// 2 images of 33×33 have 2178 pixels.
  func testHardExamplesThatAreAll() throws {
    for (ohem, isAll) in [("on", true), ("{min_kept: 2178}", true), ("{min_kept: 2177}", false), ("off", false)] {
      for options in [["--dry-run"], ["--run", "run-\(isAll)-\(ohem.count)"]] {
        let outcome = try run(
          ["train", "--config", "tiny.yaml", "--set", "loss.ohem=\(ohem)", "--set", "u2pl.enabled=off"] + options)
        XCTAssertEqual(outcome.status, 0, outcome.summary)
        XCTAssertEqual(
          outcome.output.contains("warning: loss.ohem keeps all pixels, as if it were off: loss.ohem.min_kept is"),
          isAll,
          "\(ohem): \(outcome.summary)")
      }
    }
    let whole = try run(dryRun(["loss.ohem={min_kept: 2178}", "augment.crop=off", "augment.scale=off"]), ranks: 2)
    XCTAssertTrue(whole.output.contains("2178 labeled pixels"), whole.summary)
  }

  /// What a run would end at after hours in a queue.
  func testWeightsThatCannotBeRead() throws {
    try assertRefused(dryRun(["model.weights=none.safetensors"]), saying: "none.safetensors")
    try write("text.safetensors", "no weights\n")
    try assertRefused(dryRun(["model.weights=text.safetensors"]), at: [nil, 2], saying: "text.safetensors")
    try train("run", ["schedule.epochs=1"])
    let good = try run(dryRun(["model.weights=\(path("run/checkpoints/latest"))"]), ranks: 2)
    XCTAssertEqual(good.status, 0, good.summary)
    XCTAssertTrue(good.output.contains("latest: read"), good.summary)
    // A network for which there is no room is not made to read them.
    let large = ["batch={labeled: 512, unlabeled: 512}", "augment.crop=2049", "data.size=2049"]
    try assertRefused(
      dryRun(large + ["model.weights=text.safetensors"]), at: [nil], saying: "of memory available", "batch.labeled")
  }

  func testFilesThatAreMissing() throws {
    try write("mine/list.txt", "nothing\n")
    try write("voc.yaml", tinyConfiguration(data: "{root: mine, labeled: list.txt, unlabeled: list.txt, classes: 4}"))
    try assertRefused(["train", "--config", "voc.yaml", "--dry-run"], saying: "list.txt")
  }
}
