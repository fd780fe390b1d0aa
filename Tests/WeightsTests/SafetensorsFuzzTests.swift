import Checkpoint
import Foundation
import TestSupport
import Weights
import XCTest

/// Damaged safetensors files are read as their header says, or refused: never a crash (which ends the test process), a hang,
/// or a tensor that its bytes do not fill.
final class SafetensorsFuzzTests: DirectoryTestCase {
  private let fragments = [
    "0", "-1", "1", "4", "8", "99999999999999999999", "9223372036854775807", "1e3", "1.0", "true", "null", "[", "]",
    "{", "}",
    ",", ":", "\"", "\\", "\\u0000", "\\ud800", "[0,8]", "[1,2]", "[2,1]", "[0]", "[]", "[[]]", "\"F16\"", "\"BF16\"",
    "\"F64\"",
    "\"I64\"", "\"U8\"", "\"shape\"", "\"dtype\"", "\"data_offsets\"", "\"__metadata__\"", "\"a\"", " ", "\n", "\u{0}",
    "\u{FEFF}",
    "é", "//", "'", "+", "0x10", "NaN", "Infinity",
  ]

  private var small: Safetensors {
    var file = Safetensors([
      .init("a", [2, 3], [1, 2, 3, 4, 5, 6]), .init("b", "F16", [4], [UInt8](0..<8)),
      .init("c", "BF16", [2, 2], [UInt8](8..<16)), .init("n", counter: 3), .init("d", "F64", [3], [UInt8](0..<24)),
      .init("none", "F32", [0, 3], []),
    ])
    file.members = ["\"__metadata__\":{\"format\":\"pt\"}"]
    return file
  }

  private func mutated(_ draws: inout SeededDraws) -> [UInt8] {
    var file = small
    // Sometimes the parts lie in a way that no writer would choose.
    if Int.random(in: 0..<4, using: &draws) == 0 { file.tensors.shuffle(using: &draws) }
    var header = Array(file.header.utf8), data = file.tensors.flatMap(\.bytes)
    var length: Int?
    for _ in 0..<Int.random(in: 1...3, using: &draws) {
      let at = Int.random(in: 0...header.count, using: &draws)
      let end = min(header.count, at + Int.random(in: 0...6, using: &draws))
      let fragment = Array((fragments.randomElement(using: &draws) ?? "").utf8)
      switch Int.random(in: 0..<10, using: &draws) {
      case 0: header.removeSubrange(at..<end)
      case 1: header.insert(contentsOf: fragment, at: at)
      case 2: header.replaceSubrange(at..<end, with: fragment)
      case 3: header.insert(contentsOf: header[at..<end], at: Int.random(in: 0...header.count, using: &draws))
      case 4 where at < header.count: header[at] ^= UInt8.random(in: 1...255, using: &draws)
      case 5: data.removeLast(Int.random(in: 0...data.count, using: &draws))
      case 6: data += [UInt8](repeating: 7, count: Int.random(in: 1...16, using: &draws))
      case 7: length = Int.random(in: 0...(2 * header.count), using: &draws)
      case 8 where !data.isEmpty:
        data[Int.random(in: data.indices, using: &draws)] ^= UInt8.random(in: 1...255, using: &draws)
      default:
        // One number becomes another, which JSON alone would never object to.
        let digits = header.indices.filter { (48...57).contains(header[$0]) }
        if let digit = digits.randomElement(using: &draws) { header[digit] = UInt8.random(in: 48...57, using: &draws) }
      }
    }
    return withUnsafeBytes(of: UInt64(length ?? header.count)) { [UInt8]($0) } + header + data
  }

  /// What the bytes say, read by other means: for each name type, shape and its bytes; nil where they do not cover the data.
  private func plainly(_ file: [UInt8]) throws -> [String: (type: String, shape: [Int], bytes: [UInt8])]? {
    let length = file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let json = try JSONSerialization.jsonObject(with: Data(file[8..<8 + length])) as? [String: Any]
    let data = Array(file[(8 + length)...])
    var found: [String: (type: String, shape: [Int], bytes: [UInt8])] = [:]
    var uses = [Int](repeating: 0, count: data.count)
    for (name, value) in json ?? [:] where name != "__metadata__" {
      guard let entry = value as? [String: Any], let type = entry["dtype"] as? String,
        let shape = entry["shape"] as? [Int],
        let offsets = entry["data_offsets"] as? [Int], offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1],
        offsets[1] <= data.count
      else { return nil }
      for i in offsets[0]..<offsets[1] { uses[i] += 1 }
      found[name] = (type, shape, Array(data[offsets[0]..<offsets[1]]))
    }
    return uses.allSatisfy { $0 == 1 } ? found : nil
  }

  func testMutations() throws {
    let count = Int(ProcessInfo.processInfo.environment["U2PL_MUTATIONS"] ?? "") ?? 2500
    let sizes = [
      "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
      "I32": 4,
      "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8, "C64": 8,
    ]
    var taken = 0
    for number in 0..<count {
      var draws = SeededDraws(number)
      let bytes = mutated(&draws)
      try write(bytes, to: path("m.safetensors"))
      let start = ProcessInfo.processInfo.systemUptime
      do {
        let file = try SafetensorsFile(path("m.safetensors"))
        taken += 1
        let expected = try XCTUnwrap(plainly(bytes), "mutation \(number)")
        XCTAssertEqual(file.tensors.map(\.name).sorted(), expected.keys.sorted(), "mutation \(number)")
        for tensor in file.tensors {
          let plain = try XCTUnwrap(expected[tensor.name], "mutation \(number)")
          XCTAssertEqual(tensor.type.rawValue, plain.type, "mutation \(number)")
          XCTAssertEqual(tensor.shape, plain.shape, "mutation \(number)")
          let elements = plain.shape.reduce(1, *)
          XCTAssertEqual(elements * (sizes[plain.type] ?? 0), plain.bytes.count, "mutation \(number)")
          guard let read = try? file.read(tensor) else { continue }
          XCTAssertEqual(read.shape, plain.shape, "mutation \(number)")
          XCTAssertEqual(read.values.count, elements, "mutation \(number)")
          if plain.type == "F32", case .float32(let values) = read.values {
            XCTAssertEqual(values.withUnsafeBytes { [UInt8]($0) }, plain.bytes, "mutation \(number)")
          }
        }
      } catch let error as CheckpointError {
        XCTAssertTrue(error.description.hasPrefix(path("m.safetensors")), "mutation \(number): \(error)")
        XCTAssertLessThan(error.description.count, 600, "mutation \(number): \(error)")
      }
      _ = try? NamedWeights(path("m.safetensors"))
      XCTAssertLessThan(ProcessInfo.processInfo.systemUptime - start, 2, "mutation \(number)")
    }
    // Neither outcome may become the only one, or nothing is tested.
    XCTAssertGreaterThan(taken, count / 50)
    XCTAssertLessThan(taken, count * 49 / 50)
  }
}
