import Checkpoint
import Foundation
import HDF5
import TestSupport
import Weights
import XCTest

/// Every damaged file is an error or, where the damage is to no one's concern, reads as it was written.
final class DamageTests: DirectoryTestCase {
  private func readDamaged(_ damaged: [UInt8], _ contents: CheckpointContents, _ what: String) throws -> Bool {
    try write(damaged, to: path("damaged.h5"))
    do {
      let read = try CheckpointFile.read(path("damaged.h5"))
      XCTAssertEqual(read, contents, what)
      return false
    } catch let error as CheckpointError {
      XCTAssertTrue(error.description.hasPrefix(path("damaged.h5")), "\(what): \(error)")
      return true
    }
  }

  func testFlippedBytes() throws {
    try CheckpointFile.write(sample(), to: path("a.h5"))
    let good = try bytes(path("a.h5"))
    var generator = SeededDraws()
    var noticed = 0
    for _ in 0..<400 {
      var damaged = good
      let place = Int.random(in: damaged.indices, using: &generator)
      damaged[place] ^= UInt8.random(in: 1...255, using: &generator)
      noticed += try readDamaged(damaged, sample(), "byte \(place)") ? 1 : 0
    }
    XCTAssertEqual(noticed, 400)
  }

  func testFlippedBytesOfTheSeal() throws {
    try CheckpointFile.write(sample(), to: path("a.h5"))
    let good = try bytes(path("a.h5"))
    for place in 0..<512 {
      var damaged = good
      damaged[place] ^= 0x11
      XCTAssertTrue(try readDamaged(damaged, sample(), "byte \(place)"), "byte \(place)")
    }
  }

  func testTruncatedFiles() throws {
    try CheckpointFile.write(sample(), to: path("a.h5"))
    let good = try bytes(path("a.h5"))
    for length in stride(from: 0, to: good.count, by: good.count / 60) {
      XCTAssertTrue(try readDamaged(Array(good[..<length]), sample(), "length \(length)"), "length \(length)")
    }
    XCTAssertTrue(try readDamaged(Array(good.dropLast()), sample(), "one byte less"))
    XCTAssertTrue(try readDamaged(good + [0], sample(), "one byte more"))
    try write(Array(good.dropLast(100)), to: path("cut.h5"))
    let text = message { _ = try CheckpointFile.read(path("cut.h5")) }
    XCTAssertTrue(text.contains("is truncated: \(good.count - 612) of \(good.count - 512) bytes"), text)
  }

  func testFilesOfOtherKinds() throws {
    for (content, words) in [("", "is empty"), ("just a text\n", "is not a checkpoint")] {
      try write(Array(content.utf8), to: path("x.h5"))
      let read = message { _ = try CheckpointFile.read(path("x.h5")) }
      XCTAssertTrue(read.contains(words), read)
      let summary = message { _ = try CheckpointFile.summary(path("x.h5")) }
      XCTAssertTrue(summary.contains(words), summary)
    }
    try write(Array("just a text\n".utf8), to: path("x.h5"))
    let weights = message { _ = try WeightsFile.read(path("x.h5")) }
    XCTAssertTrue(weights.contains("is not an HDF5 file"), weights)
  }

  func testTheMessageNamesAnOlderCheckpoint() throws {
    let run = RunDirectory(path: path("run"))
    try run.create()
    for step in [10, 20, 30] { try CheckpointFile.write(sample(), to: run.checkpointPath(step: step)) }
    try write([1, 2, 3], to: run.checkpointPath(step: 30))
    try FileManager.default.createSymbolicLink(
      atPath: run.checkpointsPath + "/latest", withDestinationPath: "step-00000030.h5")
    for name in ["step-00000030.h5", "latest"] {
      let text = message { _ = try CheckpointFile.read("\(run.checkpointsPath)/\(name)") }
      XCTAssertTrue(text.hasSuffix("use an older checkpoint: \(run.checkpointPath(step: 20))"), text)
    }
  }

  /// Behind an intact seal, chunk checksums and the digest still notice what changed.
  func testChunkChecksumsAndDigest() throws {
    var contents = sample()
    let marker: [UInt8] = [0x3f, 0x8e, 0x11, 0xd2, 0x70, 0x4c, 0x99, 0x5a]
    contents.datasets["marked"] = StoredDataset(shape: [8], values: .uint8(marker))
    contents.attributes["marked"] = .string("a line to be found again")
    try CheckpointFile.write(contents, to: path("a.h5"))
    let good = try bytes(path("a.h5"))
    XCTAssertEqual(seal(good), good, "the tests' checksum is the file format's")
    try write(seal(good, wide: false), to: path("first.h5"))
    XCTAssertEqual(try CheckpointFile.read(path("first.h5")), contents, "files of the first versions are read")

    func changed(_ pattern: [UInt8]) throws -> String {
      let start = try XCTUnwrap((0..<good.count - 24).first { Array(good[$0..<$0 + pattern.count]) == pattern })
      var damaged = good
      damaged[start] ^= 4
      try write(seal(damaged), to: path("b.h5"))
      return message { _ = try CheckpointFile.read(path("b.h5")) }
    }
    let data = try changed(marker)
    XCTAssertTrue(data.contains("dataset 'marked'") && data.contains("Fletcher32"), data)
    let attribute = try changed(Array("a line to be found again".utf8))
    XCTAssertTrue(attribute.contains("do not match the digest"), attribute)
  }

  func testVersionsOfTheFormat() throws {
    func edited(_ statement: String) throws -> String {
      try CheckpointFile.write(sample(), to: path("v.h5"))
      try python("import h5py, sys\nf = h5py.File(sys.argv[1], 'r+')\n\(statement)\nf.close()", path("v.h5"))
      try write(seal(try bytes(path("v.h5"))), to: path("v.h5"))
      return message { _ = try CheckpointFile.read(path("v.h5")) }
    }
    let newer = try edited("f.attrs.modify('format_version', 2)")
    XCTAssertTrue(newer.contains("has format_version 2, this program reads 1"), newer)
    let absent = try edited("del f.attrs['format_version']")
    XCTAssertTrue(absent.contains("has no attribute 'format_version'"), absent)
    let added = try edited("f['extra'] = [1, 2]")
    XCTAssertTrue(added.contains("do not match the digest"), added)
    let removed = try edited("del f['top']")
    XCTAssertTrue(removed.contains("do not match the digest"), removed)
    let bool = try edited("f.attrs['x'] = [1, 2, 3]")
    XCTAssertTrue(bool.contains("attribute 'x'"), bool)
    let half = try edited("f['half'] = __import__('numpy').zeros(3, 'f2')")
    XCTAssertTrue(half.contains("dataset 'half'") && half.contains("type"), half)
    let unsealed = path("unsealed.h5")
    try python("import h5py, sys\nh5py.File(sys.argv[1], 'w')['a'] = 1", unsealed)
    XCTAssertTrue(message { _ = try CheckpointFile.read(unsealed) }.contains("is not a checkpoint"))
  }
}
