import Network
import XCTest

/// Pooled storage of images of many sizes is given back, that of one size kept.
final class StorageTests: XCTestCase {
  private func use(_ counts: [Int]) { _ = counts.map { Buffer(count: $0) } }

  func testManySizesDoNotPileUp() {
    trimPooledStorage()
    trimPooledStorage()
    XCTAssertEqual(pooledBytes, 0)
    for size in 1...200 {
      use([size * 10_000, size * 7000, size * 10_000])
      trimPooledStorage()
      // This size's and the last's, each rounded up by at most an eighth.
      XCTAssertLessThanOrEqual(pooledBytes, 2 * 4 * 27_000 * size * 9 / 8)
    }
    use([64])
    trimPooledStorage()
    trimPooledStorage()
    XCTAssertEqual(pooledBytes, 0)
  }

  func testOneSizeKeepsItsStorage() {
    var addresses: [UnsafeMutablePointer<Float>] = []
    for _ in 0..<5 {
      let buffer = Buffer(count: 123_456)
      addresses.append(buffer.data)
      trimPooledStorage()
    }
    // The buffer of one round is still held while the next is made, so that there are two of them.
    XCTAssertLessThanOrEqual(Set(addresses).count, 2)
    XCTAssertGreaterThan(pooledBytes, 0)
  }
}
