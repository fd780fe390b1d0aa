import HDF5
import TestSupport
import XCTest

final class Fletcher32Tests: XCTestCase {
  /// As HDF5 computes it, word by word.
  private func plain(_ bytes: [UInt8]) -> UInt32 {
    var sum: UInt32 = 0
    var weighted: UInt32 = 0
    for offset in stride(from: 0, to: bytes.count, by: 2) {
      sum += UInt32(bytes[offset]) << 8 | (offset + 1 < bytes.count ? UInt32(bytes[offset + 1]) : 0)
      sum = sum & 0xFFFF + sum >> 16
      weighted += sum
      weighted = weighted & 0xFFFF + weighted >> 16
    }
    sum = sum & 0xFFFF + sum >> 16
    weighted = weighted & 0xFFFF + weighted >> 16
    return weighted << 16 | sum
  }

  private func fast(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { Fletcher32.checksum($0) } }

  func testItIsTheLibrarys() {
    XCTAssertEqual(fast([]), 0)
    var draws = SeededDraws()
    // Around a row of 64 bytes, and around 340 rows, after which sums are reduced.
    let counts = Array(0...200) + [1000, 21_759, 21_760, 21_761, 21_824, 43_520, 43_583, 100_001, 1 << 20]
    for count in counts {
      let random = (0..<count).map { _ in UInt8.random(in: 0...255, using: &draws) }
      XCTAssertEqual(fast(random), plain(random), "\(count) random bytes")
      for value: UInt8 in [0, 1, 0xFF] {
        let same = [UInt8](repeating: value, count: count)
        XCTAssertEqual(fast(same), plain(same), "\(count) bytes of \(value)")
      }
    }
  }
}
