import Checkpoint
import Foundation
import HDF5
import Synchronization
import TestSupport
import XCTest

private func contents(_ step: Int) -> CheckpointContents {
  var contents = CheckpointContents()
  contents.attributes["step"] = .int(Int64(step))
  contents.datasets["student/weight"] = floats(300, 300)
  return contents
}

final class CheckpointWriterTests: DirectoryTestCase {
  func testWritesInOrderAndPublishes() throws {
    let run = RunDirectory(path: path("run"))
    try run.create()
    let writer = CheckpointWriter(run: run, keep: 3)
    for step in 1...9 { writer.submit(step: step, best: step == 2, contents(step)) }
    try writer.finish()
    XCTAssertEqual(try run.checkpoints().map(\.step), [9, 8, 7, 2])
    for (step, path) in try run.checkpoints() { XCTAssertEqual(try CheckpointFile.read(path), contents(step)) }
    XCTAssertEqual(try CheckpointFile.read("\(run.checkpointsPath)/latest"), contents(9))
    XCTAssertEqual(try CheckpointFile.read("\(run.checkpointsPath)/best"), contents(2))
    XCTAssertTrue(writer.drainErrors().isEmpty)
  }

  func testErrorsSurfaceAndLaterCheckpointsAreTried() throws {
    let run = RunDirectory(path: path("run"))
    let writer = CheckpointWriter(run: run, keep: 3)
    writer.submit(step: 1, best: false, contents(1))  // no directory yet
    let first = message { try writer.finish() }
    XCTAssertTrue(first.hasPrefix(run.checkpointPath(step: 1)) && first.contains("No such file"), first)
    try writer.finish()

    try run.create()
    var wrong = contents(2)
    wrong.datasets["x"] = StoredDataset(shape: [3], values: .uint8([]))
    writer.submit(step: 2, best: false, wrong)
    wrong.attributes["digest"] = .int(0)
    wrong.datasets["x"] = nil
    writer.submit(step: 3, best: false, wrong)
    writer.submit(step: 4, best: false, contents(4))
    let second = message { try writer.finish() }
    XCTAssertTrue(second.contains("'x'"), second)
    XCTAssertTrue(writer.drainErrors().isEmpty)
    XCTAssertEqual(try run.checkpoints().map(\.step), [4])
  }

  /// What has to be on the disk before a checkpoint is prepared while it is not there yet, and need not succeed.
  func testPreparesBeforeEachCheckpoint() throws {
    let run = RunDirectory(path: path("run"))
    try run.create()
    let seen = Mutex<[[Int]]>([])
    let writer = CheckpointWriter(run: run, keep: 9) {
      let steps = try run.checkpoints().map(\.step)
      seen.withLock { $0.append(steps) }
      if steps == [2, 1] { throw CheckpointError(description: "not this time") }
    }
    for step in 1...3 { writer.submit(step: step, best: false, contents(step)) }
    XCTAssertEqual(message { try writer.finish() }, "not this time")
    XCTAssertEqual(seen.withLock { $0 }, [[], [1], [2, 1]])
    XCTAssertEqual(try run.checkpoints().map(\.step), [3, 2, 1])
    XCTAssertEqual(writer.failureCount, 0)
  }

  /// While checkpoints are written, pruned and linked, whoever opens `latest` finds a complete one, never an older one
  /// than before.
  func testLatestIsAlwaysGoodForAReader() throws {
    let run = RunDirectory(path: path("run"))
    try run.create()
    let writer = CheckpointWriter(run: run, keep: 1)
    writer.submit(step: 1, best: false, contents(1))
    try writer.finish()
    let thread = Thread {
      for step in 2...60 { writer.submit(step: step, best: false, contents(step)) }
    }
    thread.start()
    var seen: Int64 = 0
    var reads = 0
    while seen < 60 && reads < 100_000 {
      guard case .int(let step)? = try CheckpointFile.read("\(run.checkpointsPath)/latest").attributes["step"] else {
        return XCTFail("no step")
      }
      XCTAssertGreaterThanOrEqual(step, seen)
      seen = step
      reads += 1
    }
    try writer.finish()
    XCTAssertEqual(seen, 60)
    XCTAssertGreaterThan(reads, 1)
  }
}
