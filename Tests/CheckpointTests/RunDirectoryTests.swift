import Checkpoint
import Foundation
import TestSupport
import XCTest

final class RunDirectoryTests: DirectoryTestCase {
  private var run: RunDirectory { RunDirectory(path: path("runs/demo")) }

  private func publish(_ step: Int, keep: Int, best: Bool = false) throws {
    try CheckpointFile.write(contents(step), to: run.checkpointPath(step: step))
    try run.publish(step: step, keep: keep, best: best)
  }

  private func contents(_ step: Int) -> CheckpointContents {
    var contents = sample()
    contents.attributes["step"] = .int(Int64(step))
    return contents
  }

  private func link(_ name: String) throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "\(run.checkpointsPath)/\(name)")
  }

  func testNamesAndCreation() throws {
    XCTAssertEqual(run.configPath, path("runs/demo/config.yaml"))
    XCTAssertEqual(run.metricsPath, path("runs/demo/metrics.jsonl"))
    XCTAssertEqual(run.checkpointPath(step: 1200), path("runs/demo/checkpoints/step-00001200.h5"))
    XCTAssertTrue(try run.checkpoints().isEmpty)
    XCTAssertNil(try run.newestGood { _, _ in })
    try run.create()
    try run.create()
    XCTAssertEqual(try names(in: run.path), ["checkpoints", "logs"])
    try write([], to: path("file"))
    let text = message { try RunDirectory(path: path("file/run")).create() }
    XCTAssertTrue(text.contains("Not a directory"), text)
  }

  func testListIsNewestFirstAndHasCheckpointsOnly() throws {
    try run.create()
    for name in [
      "step-00000009.h5", "step-00000100.h5", "step-123456789.h5", "step-9.h5", "step-0000000x.h5", "note.txt",
      ".step-00000200.h5.77-1.tmp", "step--0000001.h5",
    ] { try write([1], to: "\(run.checkpointsPath)/\(name)") }
    XCTAssertEqual(try run.checkpoints().map(\.step), [123_456_789, 100, 9])
    XCTAssertEqual(try run.checkpoints().last?.path, run.checkpointPath(step: 9))
  }

  func testGoingBackSetsLaterCheckpointsAside() throws {
    try run.create()
    for step in [10, 20, 30] { try publish(step, keep: 9, best: step == 20) }
    XCTAssertEqual(try run.setAside(after: 10), ["step-00000030.h5", "step-00000020.h5"])
    XCTAssertEqual(try run.checkpoints().map(\.step), [10])
    XCTAssertEqual(try link("latest"), "step-00000010.h5")
    XCTAssertEqual(try link("best"), "step-00000010.h5")
    XCTAssertNoThrow(try CheckpointFile.read(run.checkpointPath(step: 30) + ".superseded"))
    XCTAssertEqual(try run.setAside(after: 10), [])
    XCTAssertEqual(try run.setAside(after: 5), ["step-00000010.h5"])
    XCTAssertThrowsError(try link("latest"), "a link is never left dangling")
  }

  func testPublishLinksAndPrunes() throws {
    try run.create()
    try publish(10, keep: 2, best: true)
    XCTAssertEqual(try link("latest"), "step-00000010.h5")
    XCTAssertEqual(try link("best"), "step-00000010.h5")
    for step in [20, 30, 40] { try publish(step, keep: 2) }
    XCTAssertEqual(try run.checkpoints().map(\.step), [40, 30, 10], "best stays")
    XCTAssertEqual(try link("latest"), "step-00000040.h5")
    XCTAssertEqual(try CheckpointFile.read("\(run.checkpointsPath)/latest").attributes["step"], .int(40))
    try publish(50, keep: 2, best: true)
    XCTAssertEqual(try run.checkpoints().map(\.step), [50, 40])
    try publish(35, keep: 1)
    XCTAssertEqual(try run.checkpoints().map(\.step), [50, 35], "what latest leads to stays, though older")
    try publish(60, keep: 0)
    XCTAssertEqual(try run.checkpoints().map(\.step), [60, 50])
    XCTAssertEqual(
      try names(in: run.checkpointsPath), ["best", "latest", "step-00000050.h5", "step-00000060.h5"])
  }

  /// A kill after a checkpoint was put in place and before it was linked.
  func testRelinkingAfterAKill() throws {
    try run.create()
    try publish(10, keep: 9, best: true)
    try publish(20, keep: 9)
    try CheckpointFile.write(contents(30), to: run.checkpointPath(step: 30))
    try run.relink(step: 30, best: 30)
    XCTAssertEqual(try link("latest"), "step-00000030.h5")
    XCTAssertEqual(try link("best"), "step-00000030.h5")
    try publish(40, keep: 1)
    XCTAssertEqual(try run.checkpoints().map(\.step), [40, 30], "the best is not rotated out")

    try run.relink(step: 40, best: 20)
    XCTAssertEqual(try link("best"), "step-00000030.h5", "the best is gone, and the link leads somewhere")
    try FileManager.default.removeItem(atPath: run.checkpointPath(step: 30))
    try run.relink(step: 40, best: 20)
    XCTAssertEqual(try link("best"), "step-00000040.h5")
    XCTAssertEqual(try names(in: run.checkpointsPath), ["best", "latest", "step-00000040.h5"])
  }

  /// Damaged ones are newest by name, and must not drive out the good.
  func testSkippedCheckpointsDoNotCount() throws {
    try run.create()
    for step in [10, 20, 30, 40] { try publish(step, keep: 9, best: step == 30) }
    for step in [30, 40] { try write([1], to: run.checkpointPath(step: step)) }
    var skipped: [String] = []
    XCTAssertEqual(try run.newestGood { path, _ in skipped.append(path) }?.path, run.checkpointPath(step: 20))
    try run.relink(step: 20, best: 30, skipped: skipped)
    for path in skipped { try run.setAside(skipped: path) }
    XCTAssertEqual(try link("latest"), "step-00000020.h5")
    XCTAssertEqual(try link("best"), "step-00000020.h5")
    XCTAssertEqual(try run.checkpoints().map(\.step), [20, 10])
    XCTAssertEqual(try run.skippedCheckpoints(), [30, 40].map { run.checkpointPath(step: $0) + ".skipped" })
    try publish(25, keep: 2)
    XCTAssertEqual(try run.checkpoints().map(\.step), [25, 20], "the last good one stays")
    XCTAssertEqual(try bytes(run.checkpointPath(step: 40) + ".skipped"), [1])
  }

  func testPublishingWhatIsNotThereChangesNothing() throws {
    try run.create()
    try publish(10, keep: 1)
    let text = message { try run.publish(step: 20, keep: 1, best: true) }
    XCTAssertTrue(text.hasPrefix(run.checkpointPath(step: 20)), text)
    XCTAssertEqual(try names(in: run.checkpointsPath), ["latest", "step-00000010.h5"])
    XCTAssertEqual(try link("latest"), "step-00000010.h5")
  }

  func testNewestGoodPassesOverDamage() throws {
    try run.create()
    for step in [10, 20, 30] { try publish(step, keep: 9) }
    var damaged = try bytes(run.checkpointPath(step: 30))
    damaged[damaged.count / 2] ^= 1
    try write(damaged, to: run.checkpointPath(step: 30))
    try write(Array(damaged[..<700]), to: run.checkpointPath(step: 20))
    var skipped: [String] = []
    let good = try XCTUnwrap(
      try run.newestGood { path, error in
        skipped.append(path)
        XCTAssertTrue(error.description.hasPrefix(path), error.description)
      })
    XCTAssertEqual(skipped, [run.checkpointPath(step: 30), run.checkpointPath(step: 20)])
    XCTAssertEqual(good.path, run.checkpointPath(step: 10))
    XCTAssertEqual(good.contents, contents(10))
    try write([], to: run.checkpointPath(step: 10))
    XCTAssertNil(try run.newestGood { _, _ in })
  }

  func testTemporariesOfAKilledRunAreRemoved() throws {
    try run.create()
    try publish(10, keep: 1)
    for name in [".step-00000020.h5.4711-3.tmp", ".latest.4711-4.tmp"] {
      try write([1], to: "\(run.checkpointsPath)/\(name)")
    }
    try write([1], to: "\(run.path)/.metrics.jsonl.4711-1.tmp")
    try write([1], to: run.configPath)
    try run.removeTemporaries()
    XCTAssertEqual(try names(in: run.checkpointsPath), ["latest", "step-00000010.h5"])
    XCTAssertEqual(try names(in: run.path), ["checkpoints", "config.yaml", "logs"])
  }
}
