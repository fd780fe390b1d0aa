import Checkpoint
import Foundation
import HDF5
import TestSupport
import XCTest

/// All types, a scalar, empty ones, nested groups, and every kind of attribute.
func sample() -> CheckpointContents {
  var contents = CheckpointContents()
  contents.attributes = [
    "step": .int(1200), "seed": .int(.min), "best": .double(0.625), "config": .string("run:\n  name: größe ✓\n"),
    "none": .string(""),
  ]
  contents.datasets = [
    "student/encoder.conv1.0.weight": floats(8, 3, 3, 3),
    "student/encoder.conv1.1.num_batches_tracked": StoredDataset(shape: [], values: .int64([77])),
    "teacher/encoder.conv1.0.weight": floats(8, 3, 3, 3),
    "optimizer/momentum/encoder.conv1.0.weight": floats(1),
    "bank/vectors": floats(0, 256),
    "bank/queue/indices": StoredDataset(shape: [2, 3], values: .int32([1, -2, .max, .min, 0, 9])),
    "bank/flags": StoredDataset(shape: [5], values: .uint8([0, 1, 127, 128, 255])),
    "metrics/loss": StoredDataset(shape: [3], values: .float64([1e-300, -.infinity, .pi])),
    "metrics/scale": StoredDataset(shape: [], values: .float32([0.1])),
    "metrics/none": StoredDataset(shape: [0], values: .float64([])),
    "top": StoredDataset(shape: [2], values: .int64([.min, .max])),
  ]
  return contents
}

/// Checksum of a checkpoint's bytes after its first 512, computed as the file format says, for tests that change the
/// inside of a file: blocks of 1 MiB, each as its count and its little-endian words, four of them side by side.
///
/// - Parameter wide: false as the first versions did it, word by word.
func seal(_ file: [UInt8], wide: Bool = true) -> [UInt8] {
  var state: UInt64 = 0xcbf2_9ce4_8422_2325
  func step(_ state: UInt64, _ word: UInt64) -> UInt64 {
    ((state << 29 | state >> 35) ^ word) &* 0x9e37_79b9_7f4a_7c15
  }
  func add(_ word: UInt64) { state = step(state, word) }
  let body = file[512...]
  for start in stride(from: body.startIndex, to: body.endIndex, by: 1 << 20) {
    let block = Array(body[start..<min(start + 1 << 20, body.endIndex)])
    add(UInt64(block.count))
    let words = stride(from: 0, to: block.count, by: 8).map { offset in
      block[offset..<min(offset + 8, block.count)].enumerated().reduce(0 as UInt64) { word, byte in
        word | UInt64(byte.element) << UInt64(8 * byte.offset)
      }
    }
    let whole = wide ? block.count / 32 * 4 : 0
    if whole > 0 {
      let start = state
      for lane in 0..<4 {
        add(stride(from: lane, to: whole, by: 4).reduce(step(start, UInt64(lane))) { step($0, words[$1]) })
      }
    }
    for word in words[whole...] { add(word) }
  }
  let digits = String(state, radix: 16)
  let checksum = String(repeating: "0", count: 16 - digits.count) + digits
  let text = Array("u2pl checkpoint\nbytes \(body.count)\nchecksum \(wide ? "w" : "")\(checksum)\n".utf8)
  return text + [UInt8](repeating: 0, count: 512 - text.count) + body
}
