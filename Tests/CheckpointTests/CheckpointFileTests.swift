import Checkpoint
import Foundation
import HDF5
import TestSupport
import XCTest

final class CheckpointFileTests: DirectoryTestCase {
  func testRoundTripOfAllTypesAndShapes() throws {
    let contents = sample()
    try CheckpointFile.write(contents, to: path("a.h5"))
    let back = try CheckpointFile.read(path("a.h5"))
    XCTAssertEqual(back.attributes, contents.attributes)
    XCTAssertEqual(back.datasets.keys.sorted(), contents.datasets.keys.sorted())
    for (name, dataset) in contents.datasets { XCTAssertEqual(back.datasets[name], dataset, name) }
    try CheckpointFile.verify(path("a.h5"))
  }

  func testNothingAtAllIsACheckpointToo() throws {
    try CheckpointFile.write(CheckpointContents(), to: path("a.h5"))
    XCTAssertEqual(try CheckpointFile.read(path("a.h5")), CheckpointContents())
  }

  func testNaNsKeepTheirBits() throws {
    let patterns: [UInt32] = [0x7fc0_0001, 0xffc0_1234, 0x8000_0000, 1]
    var contents = CheckpointContents()
    contents.datasets["x"] = StoredDataset(shape: [4], values: .float32(patterns.map { Float(bitPattern: $0) }))
    try CheckpointFile.write(contents, to: path("a.h5"))
    guard case .float32(let back)? = try CheckpointFile.read(path("a.h5")).datasets["x"]?.values else {
      return XCTFail("x is not float32")
    }
    XCTAssertEqual(back.map(\.bitPattern), patterns)
  }

  /// Datasets of several chunks, along the first and a later axis, with a rest; a config longer than an object header.
  func testLargeDatasetsAndStrings() throws {
    var contents = CheckpointContents()
    contents.datasets["a"] = floats(700, 513)
    contents.datasets["b"] = floats(2, 3, 300_001)
    contents.datasets["c"] = floats(262_145)
    contents.attributes["config"] = .string(String(repeating: "key: välue\n", count: 20_000))
    for step in 0..<40 { contents.attributes["a\(step)"] = .int(Int64(step)) }
    for index in 0..<700 { contents.datasets["student/layer\(index).weight"] = floats(3) }
    try CheckpointFile.write(contents, to: path("a.h5"))
    XCTAssertEqual(try CheckpointFile.read(path("a.h5")), contents)
  }

  func testEqualContentsGiveEqualBytes() throws {
    try CheckpointFile.write(sample(), to: path("a.h5"))
    Thread.sleep(forTimeInterval: 1.1)  // a time stamp would differ
    var reordered = CheckpointContents()
    for (name, dataset) in sample().datasets.sorted(by: { $0.key > $1.key }) { reordered.datasets[name] = dataset }
    for (name, value) in sample().attributes.sorted(by: { $0.key > $1.key }) { reordered.attributes[name] = value }
    try CheckpointFile.write(reordered, to: path("b.h5"))
    XCTAssertEqual(try bytes(path("a.h5")), try bytes(path("b.h5")))
  }

  func testDigestDependsOnEveryPart() throws {
    func digest(_ change: (inout CheckpointContents) -> Void) throws -> AttributeValue? {
      var contents = sample()
      change(&contents)
      try CheckpointFile.write(contents, to: path("d.h5"))
      return try CheckpointFile.summary(path("d.h5")).attributes["digest"]
    }
    let flat = StoredDataset(shape: [6], values: .int32([1, -2, .max, .min, 0, 9]))
    let digests = try [
      digest { _ in }, digest { $0.attributes["step"] = .int(1201) }, digest { $0.attributes["step"] = .double(1200) },
      digest { $0.attributes["step"] = nil }, digest { $0.datasets["metrics/none"] = nil },
      digest { $0.datasets["bank/queue/indices"] = flat }, digest { $0.datasets["top2"] = $0.datasets["top"] },
      digest { $0.datasets["bank/flags"] = StoredDataset(shape: [5], values: .uint8([0, 1, 127, 128, 254])) },
      digest { $0.datasets["metrics/none"] = StoredDataset(shape: [0], values: .float32([])) },
    ]
    XCTAssertEqual(Set(digests.map { "\(String(describing: $0))" }).count, digests.count)
    XCTAssertEqual(digests[0], try digest { _ in })
  }

  func testSummaryListsEverything() throws {
    try CheckpointFile.write(sample(), to: path("a.h5"))
    let summary = try CheckpointFile.summary(path("a.h5"))
    XCTAssertEqual(summary.attributes["format_version"], .int(1))
    XCTAssertEqual(summary.attributes["step"], .int(1200))
    XCTAssertEqual(summary.datasets.map(\.path), sample().datasets.keys.sorted())
    let weight = try XCTUnwrap(summary.datasets.first { $0.path == "student/encoder.conv1.0.weight" })
    XCTAssertEqual(weight.shape, [8, 3, 3, 3])
    XCTAssertEqual(weight.type, "float32")
    XCTAssertEqual(weight.bytes, 864)
    let scalar = try XCTUnwrap(summary.datasets.first { $0.path.hasSuffix("num_batches_tracked") })
    XCTAssertEqual(scalar.shape, [])
    XCTAssertEqual(scalar.bytes, 8)
  }

  func testWhatCannotBeStoredIsRefused() throws {
    func refused(_ change: (inout CheckpointContents) -> Void, line: UInt = #line) -> String {
      var contents = sample()
      change(&contents)
      let text = message(line: line) { try CheckpointFile.write(contents, to: path("a.h5")) }
      XCTAssertTrue(text.hasPrefix(path("a.h5")), text, line: line)
      return text
    }
    let short = StoredDataset(shape: [2, 2], values: .uint8([1, 2, 3]))
    XCTAssertTrue(refused { $0.datasets["x"] = short }.contains("'x': 3 values do not fill the shape [2, 2]"))
    let negative = StoredDataset(shape: [-1, -1], values: .uint8([1]))
    XCTAssertTrue(refused { $0.datasets["x"] = negative }.contains("shape [-1, -1]"))
    let huge = StoredDataset(shape: [.max, .max], values: .uint8([]))
    XCTAssertTrue(refused { $0.datasets["x"] = huge }.contains("do not fill"))
    for name in ["", "a//b", "/a", "a/", "a/.", "a\0b"] {
      XCTAssertTrue(refused { $0.datasets[name] = floats(1) }.contains("not a path"), name)
    }
    XCTAssertTrue(refused { $0.attributes["digest"] = .int(1) }.contains("'digest'"))
    XCTAssertTrue(refused { $0.attributes["format_version"] = .int(9) }.contains("'format_version'"))
    XCTAssertTrue(refused { $0.attributes["x"] = .string("a\0b") }.contains("NUL"))
    _ = refused { $0.datasets["top/below"] = floats(1) }  // a dataset cannot be a group too
    XCTAssertEqual(try names(in: directory), [])
  }

  func testSystemErrorsNamePathAndReason() throws {
    let missing = path("missing/a.h5")
    let text = message { try CheckpointFile.write(sample(), to: missing) }
    XCTAssertTrue(text.hasPrefix(missing) && text.contains("No such file or directory"), text)
    try write([1], to: path("file"))
    let below = path("file/a.h5")
    let notDirectory = message { try CheckpointFile.write(sample(), to: below) }
    XCTAssertTrue(notDirectory.hasPrefix(below) && notDirectory.contains("Not a directory"), notDirectory)
    let absent = message { _ = try CheckpointFile.read(missing) }
    XCTAssertTrue(absent.hasPrefix(missing) && absent.contains("No such file or directory"), absent)
    let folder = message { _ = try CheckpointFile.read(directory) }
    XCTAssertTrue(folder.contains("is not a file"), folder)
  }

  /// The target is a directory, so the rename fails after everything is written.
  func testTemporaryIsRemovedWhenTheRenameFails() throws {
    try FileManager.default.createDirectory(atPath: path("a.h5/inside"), withIntermediateDirectories: true)
    let text = message { try CheckpointFile.write(sample(), to: path("a.h5")) }
    XCTAssertTrue(text.contains("cannot be replaced"), text)
    XCTAssertEqual(try names(in: directory), ["a.h5"])
  }

  /// A limit on the size of files stands in for a full disk: HDF5's writes fail half-way, again and again.
  func testFullDiskLeavesTheOldFileAndNoTemporary() throws {
    let file = path("a.h5")
    try CheckpointFile.write(sample(), to: file)
    var large = sample()
    large.datasets["student/large"] = floats(3_000_000)

    let resource = __rlimit_resource_t(1)  // RLIMIT_FSIZE, on Linux
    var limit = rlimit()
    XCTAssertEqual(getrlimit(resource, &limit), 0)
    let before = limit
    let handler = signal(SIGXFSZ, SIG_IGN)
    limit.rlim_cur = 5_000_000
    XCTAssertEqual(setrlimit(resource, &limit), 0)
    let messages = (0..<3).map { _ in message { try CheckpointFile.write(large, to: file) } }
    limit = before
    XCTAssertEqual(setrlimit(resource, &limit), 0)
    signal(SIGXFSZ, handler)

    for text in messages { XCTAssertTrue(text.hasPrefix(file) && text.contains("File too large"), text) }
    XCTAssertEqual(try names(in: directory), ["a.h5"])
    XCTAssertEqual(try CheckpointFile.read(file), sample())
    try CheckpointFile.write(large, to: file)
    XCTAssertEqual(try CheckpointFile.read(file), large)
  }
}
