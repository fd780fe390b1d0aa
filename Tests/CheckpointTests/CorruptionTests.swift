import Checkpoint
import Foundation
import HDF5
import TestSupport
import XCTest

/// A thousand ways in which a newest checkpoint is damaged. Each has to be noticed, or to do no harm to a single value; and
/// where it is noticed, a run has to find the checkpoint before it.
final class CorruptionTests: DirectoryTestCase {
  private let count = 1000
  /// Seconds that a damaged file may keep its reader busy.
  private let patience = 2.0
  private let pageSize = 4096

  private var run: RunDirectory { RunDirectory(path: path("run")) }

  /// Several chunks, a page of zeros inside, many small datasets, and a long text.
  private static func contents(_ step: Int) -> CheckpointContents {
    var contents = sample()
    contents.attributes["step"] = .int(Int64(step))
    contents.attributes["config"] = .string(String(repeating: "key: välue\n", count: 900))
    contents.datasets["student/large"] = floats(600, 513)
    contents.datasets["bank/zeros"] = StoredDataset(
      shape: [40_000], values: .float32(.init(repeating: 0, count: 40_000)))
    for index in 0..<60 { contents.datasets["teacher/layer\(index).weight"] = floats(17, index + 1) }
    return contents
  }

  private let older = CorruptionTests.contents(10)
  private let newer = CorruptionTests.contents(20)

  override func setUpWithError() throws {
    try super.setUpWithError()
    try run.create()
    for (step, contents) in [(10, older), (20, newer)] {
      try CheckpointFile.write(contents, to: run.checkpointPath(step: step))
      try run.publish(step: step, keep: 9, best: false)
    }
  }

  private enum Verdict { case harmless, noticed(String) }

  /// What a run that resumes makes of `bytes` in the place of its newest checkpoint.
  private func resume(_ bytes: [UInt8], _ what: String) throws -> Verdict {
    try write(bytes, to: run.checkpointPath(step: 20))
    let start = ProcessInfo.processInfo.systemUptime
    var skipped: [(path: String, message: String)] = []
    let found = try run.newestGood { skipped.append(($0, $1.description)) }
    XCTAssertLessThan(ProcessInfo.processInfo.systemUptime - start, patience, what)
    let (path, read) = try XCTUnwrap(found, what)
    guard let skip = skipped.first else {
      XCTAssertEqual(path, run.checkpointPath(step: 20), what)
      XCTAssertTrue(read == newer, "\(what): taken, though its values have changed")
      return .harmless
    }
    XCTAssertEqual(skipped.map(\.path), [run.checkpointPath(step: 20)], what)
    XCTAssertTrue(skip.message.hasPrefix(run.checkpointPath(step: 20)), "\(what): \(skip.message)")
    XCTAssertEqual(path, run.checkpointPath(step: 10), what)
    XCTAssertTrue(read == older, what)
    // The same by its name, as `--resume PATH` and `inspect` read it.
    if bytes.count % 16 == 0 {
      XCTAssertThrowsError(try CheckpointFile.verify(run.checkpointPath(step: 20)), what)
      XCTAssertThrowsError(try CheckpointFile.summary(run.checkpointPath(step: 20)), what)
    }
    return .noticed(skip.message)
  }

  func testAThousandCorruptions() throws {
    let good = try bytes(run.checkpointPath(step: 20))
    let kinds = ["flipped bytes", "truncation", "zeroed pages", "foreign pages", "shifted bytes"]
    var tally: [String: (noticed: Int, harmless: Int)] = [:]
    for number in 0..<count {
      var draws = SeededDraws(number)
      var damaged = good
      let kind = kinds[number % kinds.count]
      switch number % kinds.count {
      case 0:
        // One bit is the least that can happen, and the hardest to see.
        for _ in 0..<[1, 1, 2, 16].randomElement(using: &draws)! {
          let place = Int.random(in: damaged.indices, using: &draws)
          damaged[place] ^= Bool.random(using: &draws) ? 1 << UInt8.random(in: 0..<8, using: &draws) : 0xFF
        }
      case 1:
        damaged.removeLast(
          number % 3 == 0 ? Int.random(in: 1..<64, using: &draws) : Int.random(in: 1...good.count, using: &draws))
      case 2, 3:
        for _ in 0..<Int.random(in: 1...3, using: &draws) {
          let start = Int.random(in: 0..<good.count / pageSize, using: &draws) * pageSize
          let from = Int.random(in: 0..<good.count / pageSize, using: &draws) * pageSize
          for offset in 0..<pageSize { damaged[start + offset] = number % kinds.count == 2 ? 0 : good[from + offset] }
        }
      default:
        let place = Int.random(in: damaged.indices, using: &draws)
        if Bool.random(using: &draws) { damaged.remove(at: place) } else { damaged.insert(0, at: place) }
      }
      let verdict = try resume(damaged, "\(kind), number \(number)")
      switch verdict {
      case .noticed:
        XCTAssertTrue(damaged != good, "number \(number) was refused, and is as it was")
        tally[kind, default: (0, 0)].noticed += 1
      case .harmless: tally[kind, default: (0, 0)].harmless += 1
      }
    }
    for kind in kinds {
      let (noticed, harmless) = tally[kind] ?? (0, 0)
      print("corruptions, seed \(TestSeed.value): \(kind): \(noticed) noticed, \(harmless) harmless")
      XCTAssertEqual(noticed + harmless, count / kinds.count)
      // A page of zeros that is zeroed, a page that is copied onto itself or onto one that is the same.
      XCTAssertLessThanOrEqual(harmless, kind.hasSuffix("pages") ? count / kinds.count / 2 : 0, kind)
    }
  }

  /// Versions that this program does not know, in files that are otherwise in order: named, with the versions, and passed over.
  func testOtherVersions() throws {
    try python(
      """
      import h5py, shutil, sys, numpy as np
      good = sys.argv[1] + '/run/checkpoints/step-00000020.h5'
      others = [2, 0, -1, 3, 99, 2**62, -2**63, 1.0, 1.5, float('nan'), '1', 'two', '', [1], [1, 1], np.uint8(2), np.int16(-5)]
      for number, version in enumerate(others):
          path = '%s/version-%d.h5' % (sys.argv[1], number)
          shutil.copy(good, path)
          with h5py.File(path, 'r+') as f:
              del f.attrs['format_version']
              f.attrs['format_version'] = version
      """, directory)
    for number in 0..<17 {
      let bytes = seal(try bytes(path("version-\(number).h5")))
      guard case .noticed(let message) = try resume(bytes, "version \(number)") else {
        XCTFail("version \(number) was taken")
        continue
      }
      XCTAssertTrue(message.contains("format_version"), message)
      if number == 0 { XCTAssertTrue(message.contains("has format_version 2, this program reads 1"), message) }
    }
  }

  /// A file that claims to be, or is, far larger than memory is refused at once.
  func testAFileOfATerabyteOfHoles() throws {
    let file = run.checkpointPath(step: 20)
    let good = try bytes(file)
    let size = 1 << 40
    guard truncate(file, off_t(size)) == 0 else {
      throw XCTSkip("SKIPPED: this file system has no sparse files of 1 TiB")
    }
    let start = ProcessInfo.processInfo.systemUptime
    let grown = message { _ = try CheckpointFile.read(file) }
    XCTAssertTrue(grown.contains("has grown"), grown)
    XCTAssertLessThan(ProcessInfo.processInfo.systemUptime - start, patience)
    XCTAssertEqual(try run.newestGood { _, _ in }?.path, run.checkpointPath(step: 10))
    var lying = good
    let declared = Array("u2pl checkpoint\nbytes \(size)\n".utf8)
    lying.replaceSubrange(0..<declared.count, with: declared)
    guard case .noticed(let text) = try resume(lying, "a length of 1 TiB") else { return XCTFail("was taken") }
    XCTAssertTrue(text.contains("truncated"), text)
  }
}
