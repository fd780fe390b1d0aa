import Checkpoint
import Foundation
import HDF5
import TestSupport
import Weights
import XCTest

/// Safetensors files are read as they are meant, and refused where they are not what they say.
final class SafetensorsTests: DirectoryTestCase {
  private func read(_ file: Safetensors) throws -> [String: StoredDataset] {
    try file.write(to: path("a.safetensors"))
    return try read()
  }

  private func read() throws -> [String: StoredDataset] {
    let file = try SafetensorsFile(path("a.safetensors"))
    var found: [String: StoredDataset] = [:]
    for tensor in file.tensors { found[tensor.name] = try file.read(tensor) }
    return found
  }

  private func bytes<Element: BitwiseCopyable>(_ values: [Element]) -> [UInt8] {
    values.withUnsafeBytes { [UInt8]($0) }
  }

  func testFloatsOfEveryTypeBecomeFloat32() throws {
    let doubles = [0.1, -1e300, 1e-300, .pi, -.infinity, .nan, 0x1.0000010000001p0]
    let halves = (0...UInt16.max).map { $0 }
    let found = try read(
      Safetensors([
        .init("f32", [2, 3], [1, -0.0, .infinity, .leastNonzeroMagnitude, .nan, 3.5]),
        .init("f64", "F64", [7, 1], bytes(doubles)), .init("f16", "F16", [65536], bytes(halves)),
        .init("bf16", "BF16", [256, 256], bytes(halves)), .init("none", "F32", [0, 3], []),
        .init("scalar", "F32", [], bytes([2.5 as Float])),
      ]))
    func same(_ name: String, _ shape: [Int], _ expected: [Float]) {
      guard case .float32(let values)? = found[name]?.values else { return XCTFail(name) }
      XCTAssertEqual(found[name]?.shape, shape, name)
      XCTAssertEqual(values.count, expected.count, name)
      for (i, (a, b)) in zip(values, expected).enumerated() where a.bitPattern != b.bitPattern && !(a.isNaN && b.isNaN)
      {
        return XCTFail("\(name)[\(i)]: \(a), not \(b)")
      }
    }
    same("f32", [2, 3], [1, -0.0, .infinity, .leastNonzeroMagnitude, .nan, 3.5])
    same("f64", [7, 1], doubles.map(Float.init))
    same("f16", [65536], halves.map { Float(Float16(bitPattern: $0)) })
    same("bf16", [256, 256], halves.map { Float(bitPattern: UInt32($0) << 16) })
    same("none", [0, 3], [])
    same("scalar", [], [2.5])
  }

  func testIntegersBecomeInt64() throws {
    let found = try read(
      Safetensors([
        .init("i64", "I64", [2], bytes([Int64.min, .max])), .init("i32", "I32", [1], bytes([Int32.min])),
        .init("i16", "I16", [], bytes([Int16(-7)])), .init("u64", "U64", [1], bytes([UInt64(1) << 62])),
        .init("u8", "U8", [3], [0, 128, 255]), .init("i8", "I8", [2], [0x80, 0x7F]),
        .init("bool", "BOOL", [2], [0, 1]),
      ]))
    let expected: [String: [Int64]] = [
      "i64": [.min, .max], "i32": [Int64(Int32.min)], "i16": [-7], "u64": [1 << 62], "u8": [0, 128, 255],
      "i8": [-128, 127], "bool": [0, 1],
    ]
    XCTAssertEqual(found.mapValues(\.values), expected.mapValues { .int64($0) })
    let beyond = message { _ = try read(Safetensors([.init("u64", "U64", [1], bytes([UInt64.max]))])) }
    XCTAssertTrue(beyond.contains("tensor 'u64': has a number beyond 2^63"), beyond)
    let eighth = message { _ = try read(Safetensors([.init("w", "F8_E4M3", [2], [1, 2])])) }
    XCTAssertTrue(eighth.contains("tensor 'w': has dtype F8_E4M3, which is not converted; store it as F32"), eighth)
  }

  func testMetadataAndEscapedNames() throws {
    var file = Safetensors([.init("a\\\"b:\\u00e9", [1], [4])])
    file.members = ["\"__metadata__\":{\"format\":\"pt\",\"a:b\":\"{\\\"c\\\": [1]}\"}"]
    XCTAssertEqual(Array(try read(file).keys), ["a\"b:é"])
    XCTAssertEqual(
      try SafetensorsFile(path("a.safetensors")).metadata, ["format": "pt", "a:b": "{\"c\": [1]}"])
    XCTAssertEqual(try read(Safetensors([])), [:])
    // Writers pad the header with spaces.
    let padded = Safetensors([.init("x", [1], [4])])
    try write(
      Safetensors.bytes(header: padded.header + "    ", data: padded.tensors[0].bytes), to: path("a.safetensors"))
    XCTAssertEqual(try read(), ["x": StoredDataset(shape: [1], values: .float32([4]))])
  }

  /// Headers that lie, and the words they are refused with.
  func testHeadersThatAreRefused() throws {
    func entry(_ name: String, _ type: String, _ shape: String, _ offsets: String) -> String {
      "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
    }
    let good = entry("a", "F32", "[2]", "[0,8]")
    let cases: [(header: String, data: Int, says: String)] = [
      (
        "{" + entry("a", "F32", "[2]", "[0,12]") + "}", 12,
        "tensor 'a': has 12 bytes, which do not fill the shape [2] of F32"
      ),
      ("{" + entry("a", "F32", "[3,-1]", "[0,8]") + "}", 8, "do not fill the shape [3, -1]"),
      ("{" + entry("a", "F32", "[4611686018427387904,4]", "[0,0]") + "}", 0, "do not fill the shape"),
      ("{" + entry("a", "F32", "[0,9223372036854775807,9]", "[0,4]") + "}", 4, "do not fill the shape"),
      ("{" + entry("a", "F32", "[99999999999999999999]", "[0,8]") + "}", 8, "a number that is not whole or too large"),
      ("{" + entry("a", "F32", "[2]", "[0,8,8]") + "}", 8, "data_offsets [0, 8, 8], which are no begin and end"),
      ("{" + entry("a", "F32", "[2]", "[8,0]") + "}", 8, "data_offsets [8, 0]"),
      ("{" + entry("a", "F32", "[2]", "[-8,0]") + "}", 8, "data_offsets [-8, 0]"),
      (
        "{" + entry("a", "F32", "[2]", "[0,8]") + "}", 7,
        "is cut short: its header describes 8 bytes of data, of which 7 are there"
      ),
      ("{" + entry("a", "F32", "[2]", "[0,8]") + "}", 9, "describes 8 bytes of data, the file has 9"),
      ("{" + good + "," + entry("b", "F32", "[2]", "[4,12]") + "}", 12, "tensor 'b': overlaps another's bytes"),
      ("{" + good + "," + entry("b", "F32", "[2]", "[0,8]") + "}", 8, "tensor 'b': overlaps"),
      (
        "{" + good + "," + entry("b", "F32", "[1]", "[12,16]") + "}", 16,
        "tensor 'b': begins at byte 12, the one before it ends at 8"
      ),
      ("{" + good + "," + entry("a", "F32", "[1,2]", "[0,8]") + "}", 8, "has a name twice"),
      ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "has a name twice"),
      ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"stride\":[1]}}", 8, "more than dtype, shape"),
      ("{" + entry("a", "F31", "[2]", "[0,8]") + "}", 8, "tensor 'a': has dtype 'F31'; known are BOOL"),
      ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "'a': data_offsets is missing"),
      ("{\"a\":{\"dtype\":\"F32\",\"shape\":\"[2]\",\"data_offsets\":[0,8]}}", 8, "'a', 'shape': is no"),
      ("{\"a\":{\"dtype\":\"F32\",\"shape\":[true],\"data_offsets\":[0,4]}}", 4, "is no whole number"),
      ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}", 6, "a number that is not whole"),
      ("{\"a\":8}", 8, "'a': is no"), ("{\"__metadata__\":{\"a\":1}}", 0, "'__metadata__', 'a': is no string"),
      ("[1]", 0, "is no JSON object in UTF-8"), ("{\"a\"", 0, "is no JSON"), ("{}}", 0, "is no JSON"),
      ("{\u{0}\"\u{0}", 0, "is no JSON object in UTF-8"),
      ("{\"a\":" + String(repeating: "[", count: 100_000), 0, "is no JSON"),
    ]
    for (header, data, says) in cases {
      try write(
        Safetensors.bytes(header: header, data: [UInt8](repeating: 1, count: data)), to: path("a.safetensors"))
      let text = message { _ = try read() }
      XCTAssertTrue(text.hasPrefix(path("a.safetensors")) && text.contains(says), "\(header.prefix(200)): \(text)")
      XCTAssertFalse(text.contains("\n"), text)
    }
  }

  func testLengthsThatAreRefused() throws {
    let good = Safetensors([.init("a", [2], [1, 2])]).bytes
    func says(_ bytes: [UInt8]) throws -> String {
      try write(bytes, to: path("a.safetensors"))
      return message { _ = try SafetensorsFile(path("a.safetensors")) }
    }
    XCTAssertTrue(try says([]).contains("is 0 bytes long"))
    XCTAssertTrue(try says([1, 2, 3]).contains("is 3 bytes long"))
    XCTAssertTrue(try says(Array(good[..<20])).contains("is cut short: 20 bytes, of which its header alone has"))
    XCTAssertTrue(
      try says([UInt8](repeating: 255, count: 64)).contains("says its header is 18446744073709551615 bytes"))
    XCTAssertTrue(try says([0, 0, 0, 0, 0, 0, 0, 0]).contains("says its header is 0 bytes"))
    for length in 0..<good.count { XCTAssertNotEqual(try says(Array(good[..<length])), "", "\(length)") }
    for length in 1...9 { XCTAssertNotEqual(try says(good + [UInt8](repeating: 0, count: length)), "", "+\(length)") }
  }

  func testFilesOfOtherKinds() throws {
    func says(_ name: String) -> String { message { _ = try NamedWeights(path(name)) } }
    try write([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 40), to: path("zip.pth"))
    try write([0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20], to: path("old.safetensors"))
    for name in ["zip.pth", "old.safetensors"] {
      XCTAssertTrue(says(name).contains("\(name): is a file of torch.save"), says(name))
      XCTAssertTrue(says(name).contains("docs/weights.md"), says(name))
    }
    try write(Array("just a text\n".utf8), to: path("x.h5"))
    XCTAssertTrue(says("x.h5").contains("x.h5: is neither safetensors nor HDF5"), says("x.h5"))
    try write(Array("just a text\n".utf8), to: path("x.safetensors"))
    XCTAssertTrue(says("x.safetensors").contains("x.safetensors: says its header is"), says("x.safetensors"))
    try FileManager.default.createDirectory(atPath: path("folder.safetensors"), withIntermediateDirectories: false)
    XCTAssertTrue(says("folder.safetensors").contains("is not a file"), says("folder.safetensors"))
    XCTAssertTrue(says("nowhere.safetensors").contains("cannot be read: No such file"), says("nowhere.safetensors"))
    XCTAssertEqual(mkfifo(path("pipe.safetensors"), 0o600), 0)
    XCTAssertTrue(says("pipe.safetensors").contains("is not a file"), says("pipe.safetensors"))
    // The content counts, not the name.
    var checkpoint = CheckpointContents()
    checkpoint.datasets["teacher/encoder.conv1.0.weight"] = floats(8, 3, 3, 3)
    try CheckpointFile.write(checkpoint, to: path("named.safetensors"))
    XCTAssertEqual(try NamedWeights(path("named.safetensors"), network: "teacher").tensors.count, 1)
    try Safetensors([.init("encoder.conv1.weight", [1], [4])]).write(to: path("named.h5"))
    XCTAssertEqual(try NamedWeights(path("named.h5")).tensors.count, 1)
  }

  func testWritingAndReadingAgain() throws {
    let tensors: [(name: String, dataset: StoredDataset)] = [
      ("n", StoredDataset(shape: [], values: .int64([-5]))), ("w", floats(3, 2, 1)), ("empty", floats(0, 4)),
      ("größe \"x\"/\\", floats(1)),
    ]
    try SafetensorsFile.write(tensors, to: path("a.safetensors"))
    XCTAssertEqual(try read(), Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.dataset) }))
    XCTAssertEqual(try SafetensorsFile(path("a.safetensors")).metadata, ["format": "pt"])
    XCTAssertEqual(try names(in: directory), ["a.safetensors"])
    // The data begins at a multiple of 8, and equal tensors give equal files.
    let bytes = try bytes(path("a.safetensors"))
    XCTAssertEqual(bytes[0] % 8, 0)
    try SafetensorsFile.write(tensors, to: path("b.safetensors"))
    XCTAssertEqual(try self.bytes(path("b.safetensors")), bytes)

    for wrong in [
      [("w", floats(1)), ("w", floats(1))], [("__metadata__", floats(1))],
      [("w", StoredDataset(shape: [2], values: .float32([1])))],
    ] {
      XCTAssertNotEqual(message { try SafetensorsFile.write(wrong, to: path("a.safetensors")) }, "")
    }
    XCTAssertEqual(try self.bytes(path("a.safetensors")), bytes, "what was there stays")
    let nowhere = message { try SafetensorsFile.write(tensors, to: path("none/a.safetensors")) }
    XCTAssertTrue(nowhere.contains("cannot be written: No such file or directory"), nowhere)
    let full = message { try SafetensorsFile.write([("w", floats(1 << 18))], to: "/dev/full/a.safetensors") }
    XCTAssertTrue(full.contains("/dev/full/a.safetensors"), full)
  }

  func testPythonReadsAndWrites() throws {
    let peer = try PythonPeer(modules: "safetensors, numpy")
    try SafetensorsFile.write(
      [("n", StoredDataset(shape: [], values: .int64([7]))), ("w", floats(3, 2))], to: path("a.safetensors"))
    let result = try peer.run([
      "-c",
      """
      import numpy as np, sys
      from safetensors import safe_open
      from safetensors.numpy import load_file, save_file
      a = load_file(sys.argv[1])
      assert safe_open(sys.argv[1], "np").metadata() == {"format": "pt"}
      assert set(a) == {"n", "w"} and a["n"].shape == () and a["n"] == 7 and a["n"].dtype == np.int64
      assert a["w"].dtype == np.float32
      assert (a["w"] == (np.arange(6, dtype="f4") * np.float32(0.37) - 5).reshape(3, 2)).all()
      save_file({"f16": np.array([0.5, -2, 65504, 6e-8], "f2"), "f64": np.array([[0.1, -1e30]]), "n": np.array(3)},
                sys.argv[1], metadata={"format": "np"})
      """, path("a.safetensors"),
    ])
    XCTAssertEqual(result.status, 0, result.output)
    XCTAssertEqual(
      try read(),
      [
        "f16": StoredDataset(shape: [4], values: .float32([0.5, -2, 65504, 0x1p-24])),
        "f64": StoredDataset(shape: [1, 2], values: .float32([0.1, -1e30])),
        "n": StoredDataset(shape: [], values: .int64([3])),
      ])
  }
}
