import XCTest

import Network

/// Buffers of many sizes share one stretch of memory, without overlap, and leave nothing behind.
final class StorageTests: XCTestCase {
  /// Seeded takes and returns of all sizes: what is held keeps its contents, so nothing overlaps.
  func testBuffersDoNotOverlap() {
    var held: [(buffer: Buffer, mark: Float)] = []
    var draw: UInt64 = 88_172_645_463_325_252
    func next(_ bound: Int) -> Int {
      draw ^= draw << 13
      draw ^= draw >> 7
      draw ^= draw << 17
      return Int(draw % UInt64(bound))
    }
    func check(_ one: (buffer: Buffer, mark: Float)) {
      XCTAssertEqual(Int(bitPattern: one.buffer.data) % 64, 0)
      XCTAssertTrue((0..<one.buffer.count).allSatisfy { one.buffer.data[$0] == one.mark })
    }
    for round in 0..<2000 {
      if held.isEmpty || next(5) < 3 {
        let buffer = Buffer(count: 1 + next(next(4) == 0 ? 100_000 : 300))
        buffer.data.update(repeating: Float(round), count: buffer.count)
        held.append((buffer, Float(round)))
      } else {
        check(held.remove(at: next(held.count)))
      }
    }
    held.forEach(check)
  }

  /// A hundred sizes one after the other take no more than the largest.
  func testSizesFollowOneAnotherInTheSamePlace() {
    resetPeakStorage()
    let before = peakStorage
    let first = Buffer(count: 2_000_000).data
    for size in 1...100 {
      XCTAssertEqual(Buffer(count: size * 20_000).data, first)
    }
    XCTAssertEqual(peakStorage - before, 8_000_000)
  }

  func testTrimmedStorageCanBeUsedAgain() {
    for _ in 0..<3 {
      let buffer = Buffer(count: 1_000_000)
      buffer.data.update(repeating: 3, count: buffer.count)
      trimStorage()
      XCTAssertTrue((0..<buffer.count).allSatisfy { buffer.data[$0] == 3 })
    }
  }
}
