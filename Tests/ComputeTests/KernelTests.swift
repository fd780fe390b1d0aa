import Compute
import Foundation
import XCTest

/// Exponential, interpolation weights, the thread pool and the matrix library.
final class KernelTests: XCTestCase {
  func testExponentialIsAccurate() {
    var worst = 0.0
    for i in 0...1_750_000 {
      let x = -87 + Float(i) * 1e-4
      let exact = exp(Double(x))
      worst = max(worst, abs(Double(fastExp(x)) - exact) / exact)
    }
    // Half a unit in the last place is 6e-8; measured 8.4e-8.
    XCTAssertLessThan(worst, 3e-7)
    XCTAssertEqual(fastExp(0), 1)
  }

  func testExponentialBeyondItsRange() {
    for x in [-88, -100, -1e4, -3e38, -Float.infinity] {
      let y = fastExp(x)
      XCTAssertTrue(y >= 0 && y < 2e-38, "e^\(x) = \(y)")
    }
    XCTAssertTrue(fastExp(.nan).isNaN, "a value that is no number has to stay visible")
  }

  func testBilinearWeights() {
    for (source, target) in [(1, 1), (1, 5), (5, 1), (2, 2), (5, 9), (9, 33), (7, 25), (17, 65), (65, 513), (33, 9)] {
      let axis = BilinearAxis(source: source, target: target)
      XCTAssertEqual(axis.count, target)
      XCTAssertEqual([axis.lower.count, axis.upper.count, axis.fraction.count], [target, target, target])
      XCTAssertEqual(axis.contributions.count, source)
      // Gathered per source pixel, the same weights as scattered per output pixel.
      var weights = [[Int: Float]](repeating: [:], count: target)
      for (pixel, list) in axis.contributions.enumerated() {
        XCTAssertEqual(list.map(\.output), list.map(\.output).sorted())
        for (output, weight) in list {
          XCTAssertGreaterThan(weight, 0)
          weights[output][pixel, default: 0] += weight
        }
      }
      for i in 0..<target {
        let name = "\(source) → \(target), output \(i)"
        XCTAssertEqual(weights[i].values.reduce(0, +), 1, accuracy: 1e-6, name)
        XCTAssertEqual(weights[i][axis.lower[i]] ?? 0, 1 - axis.fraction[i], accuracy: 1e-7, name)
        if axis.fraction[i] > 0 { XCTAssertEqual(weights[i][axis.upper[i]], axis.fraction[i], name) }
        XCTAssertTrue(axis.fraction[i] >= 0 && axis.fraction[i] < 1, name)
        XCTAssertTrue(axis.lower[i] <= axis.upper[i] && axis.upper[i] < source, name)
        let position = target > 1 ? Double(i) * Double(source - 1) / Double(target - 1) : 0
        XCTAssertEqual(Double(axis.lower[i]) + Double(axis.fraction[i]), position, accuracy: 1e-5, name)
      }
    }
  }

  /// With 17 → 65, every fourth output pixel is a source pixel: no weight of a neighbour, however small.
  func testSourcePixelsAreHitExactly() {
    for (source, factor) in [(17, 4), (65, 8), (3, 2), (9, 7), (2, 511)] {
      let axis = BilinearAxis(source: source, target: (source - 1) * factor + 1)
      for pixel in 0..<source {
        XCTAssertEqual(axis.lower[pixel * factor], pixel)
        XCTAssertEqual(axis.fraction[pixel * factor], 0)
      }
    }
    let same = BilinearAxis(source: 6, target: 6)
    XCTAssertEqual(same.lower, Array(0..<6))
    XCTAssertEqual(same.fraction, [Float](repeating: 0, count: 6))
  }

  func testParallelLoopsCoverEachIndexOnce() {
    let before = ThreadPool.threads
    defer { ThreadPool.threads = before }
    for threads in [1, 2, 3] {
      ThreadPool.threads = threads
      XCTAssertEqual(ThreadPool.threads, threads)
      for count in [0, 1, 2, 3, 7, 64, 10_001] {
        var hits = [Int](repeating: 0, count: count)
        hits.withUnsafeMutableBufferPointer { hits in
          let hits = hits
          parallelFor(count) { hits[$0] += 1 }
        }
        XCTAssertEqual(hits, [Int](repeating: 1, count: count), "\(threads) threads")
        for grain in [1, 3, 4096] {
          hits.withUnsafeMutableBufferPointer { hits in
            let hits = hits
            parallelRanges(count, grain: grain) { range in
              for i in range { hits[i] += range.count <= grain && range.lowerBound % grain == 0 ? 1 : 100 }
            }
          }
        }
        XCTAssertEqual(hits, [Int](repeating: 4, count: count), "\(threads) threads, in ranges")
      }
    }
  }

  func testMatrixProducts() throws {
    try BLAS.load()
    let (m, n) = (51, 67)
    let a = (0..<m * n).map { Float(($0 * 7919) % 101) / 50 - 1 }
    let x = (0..<max(m, n)).map { Float(($0 * 31) % 17) / 8 - 1 }
    var y = [Float](repeating: .nan, count: m), yt = [Float](repeating: .nan, count: n)
    BLAS.multiply(a, rows: m, columns: n, x, into: &y)
    BLAS.multiplyTransposed(a, rows: m, columns: n, x, into: &yt)
    for i in 0..<m {
      let exact = (0..<n).reduce(0.0) { $0 + Double(a[i * n + $1]) * Double(x[$1]) }
      XCTAssertEqual(Double(y[i]), exact, accuracy: 1e-5)
    }
    for j in 0..<n {
      let exact = (0..<m).reduce(0.0) { $0 + Double(a[$1 * n + j]) * Double(x[$1]) }
      XCTAssertEqual(Double(yt[j]), exact, accuracy: 1e-5)
    }
  }

  /// OpenBLAS takes CPUs it does not know for a Prescott, whose kernels are five times slower.
  func testMatrixLibraryKnowsTheCPU() throws {
    guard let information = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else {
      throw XCTSkip("SKIPPED: /proc/cpuinfo cannot be read, so the CPU's instruction sets are not known")
    }
    let flags = Set(
      information.split(separator: "\n").first { $0.hasPrefix("flags") }?.split(separator: " ").map(String.init) ?? [])
    guard flags.isSuperset(of: ["avx2", "fma"]) else {
      throw XCTSkip("SKIPPED: this CPU has no AVX2, so slow kernels of OpenBLAS cannot be told from the right ones")
    }
    try BLAS.load()
    XCTAssertFalse(BLAS.core.isEmpty)
    let slow = ["prescott", "core2", "nehalem", "generic", "sandybridge"]
    XCTAssertFalse(slow.contains(BLAS.core.lowercased()), "kernels for \(BLAS.core)")
  }
}
