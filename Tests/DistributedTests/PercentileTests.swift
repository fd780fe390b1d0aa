// Ranks: 1 2 3 4
import Distributed
import Foundation
import TestSupport
import XCTest

/// The exact global percentile, whatever rank holds which of the numbers.
final class PercentileTests: XCTestCase {
  private let ranks = TestRanks.world
  private let quantiles = [0, 12.5, 50, 80, 81.25, 99.9, 100]

  private struct Case: Decodable {
    let n: Int
    let q: [String: Double]
  }

  /// How numbers lie on the ranks; each gives every rank's range of the whole.
  private enum Shares: CaseIterable {
    /// Rank r has about r shares, so rank 0 has none where there are several ranks.
    case growing
    /// The last rank has everything.
    case last
    case even

    func range(_ count: Int, _ rank: Int, _ size: Int) -> Range<Int> {
      guard size > 1 else { return 0..<count }
      switch self {
      case .growing:
        let total = size * (size - 1) / 2
        return count * (rank * (rank - 1) / 2) / total..<count * ((rank + 1) * rank / 2) / total
      case .last: return rank == size - 1 ? 0..<count : 0..<0
      case .even: return count * rank / size..<count * (rank + 1) / size
      }
    }
  }

  private func percentile(_ q: Double, _ all: [Float], _ shares: Shares) throws -> Double? {
    let mine = Array(all[shares.range(all.count, ranks.rank, ranks.size)])
    return try mine.withUnsafeBufferPointer { try ranks.percentile(q, of: $0) }
  }

  /// numpy's default: linear between the order statistics around (n − 1)·q/100.
  private func sorted(_ q: Double, _ all: [Float]) -> Double {
    let v = all.sorted().map(Double.init)
    let at = Double(v.count - 1) * q / 100
    let low = Int(at.rounded(.down))
    return v[low] + (v[min(low + 1, v.count - 1)] - v[low]) * (at - Double(low))
  }

  func testSharesCoverEveryNumberOnce() {
    for shares in Shares.allCases {
      for size in 1...5 {
        let covered = (0..<size).flatMap { Array(shares.range(17, $0, size)) }
        XCTAssertEqual(covered, Array(0..<17), "\(shares) on \(size)")
      }
    }
    XCTAssertTrue(Shares.growing.range(17, 0, 2).isEmpty)
  }

  func testTheReferencesPercentiles() throws {
    for c in try loadExpected([Case].self, "percentiles.json", in: .module) {
      var values = uniform("h\(c.n)", c.n).map { abs($0) * 3 }
      if c.n == 1000 { for i in stride(from: 0, to: 1000, by: 3) { values[i] = values[0] } }
      XCTAssertEqual(c.q.count, quantiles.count)
      for (q, expected) in c.q.sorted(by: { $0.key < $1.key }) {
        for shares in Shares.allCases {
          let got = try percentile(Double(q)!, values, shares)
          XCTAssertEqual(got ?? .nan, expected, accuracy: 1e-6, "n = \(c.n), q = \(q), \(shares)")
        }
      }
    }
  }

  func testPercentileIsThatOfASort() throws {
    let tied = uniform("ties", 997).map { (abs($0) * 4).rounded(.down) / 4 }
    let wide = uniform("wide", 1_003).map { exp2($0 * 120) }
    let cases: [(String, [Float])] = [
      ("ties", tied), ("all sizes", wide), ("one", [0.25]), ("two", [3, 1]),
      ("all equal", [Float](repeating: 1.7, count: 50)), ("zeros", [0, -0.0, 0, -0.0, 0]),
      ("denormals", [1e-45, 0, 3e-45, 1e-38, 2e-40]), ("the greatest", [Float.greatestFiniteMagnitude, 1, 2]),
      ("neighbours", (0..<300).map { Float(bitPattern: 0x3F80_0000 + UInt32($0 * 37 % 300)) }),
    ]
    for (name, values) in cases {
      for q in quantiles + [1e-9, 33.3, 99.999] {
        for shares in Shares.allCases {
          let got = try percentile(q, values, shares)
          let expected = sorted(q, values)
          XCTAssertEqual(got ?? .nan, expected, accuracy: abs(expected) * 1e-12, "\(name), q = \(q), \(shares)")
        }
      }
    }
  }

  func testEveryOrderStatistic() throws {
    let values = uniform("statistics", 211).map { abs($0) * 3 }
    let expected = values.sorted()
    let mine = Array(values[Shares.growing.range(values.count, ranks.rank, ranks.size)])
    for k in [0, 1, 2, 50, 104, 105, 106, 209, 210] {
      XCTAssertEqual(try mine.withUnsafeBufferPointer { try ranks.orderStatistic(k, of: $0) }, expected[k])
    }
  }

  /// Ten million values over all ranks, many of them equal.
  func testTenMillionValues() throws {
    let count = 10_000_000
    let mine = Shares.growing.range(count, ranks.rank, ranks.size)
    func value(_ i: Int) -> Float { Float((i &* 2_654_435_761) & 0xFF_FFFF) * 0x1p-21 }
    let local = mine.map(value)
    let all = ranks.rank == 0 ? (0..<count).map(value).sorted() : []
    for q in [0, 37.5, 80, 99.99, 100] {
      let got = try local.withUnsafeBufferPointer { try ranks.percentile(q, of: $0) }
      guard ranks.rank == 0 else { continue }
      let at = Double(count - 1) * q / 100, low = Int(at)
      let expected =
        Double(all[low]) + (Double(all[min(low + 1, count - 1)]) - Double(all[low])) * (at - Double(low))
      XCTAssertEqual(got ?? .nan, expected, accuracy: expected * 1e-12, "q = \(q)")
    }
  }

  /// The messages depend on the number of ranks alone.
  func testBytesSentDoNotDependOnTheNumbers() throws {
    var sent: Set<Int> = []
    for (count, q) in [(1, 50.0), (10, 100), (11, 10), (5_000, 33.3), (200_001, 80)] {
      let before = ranks.bytesSent
      _ = try percentile(q, uniform("bytes", count).map { abs($0) }, .even)
      sent.insert(ranks.bytesSent - before)
    }
    XCTAssertEqual(sent.count, 1, "\(sent)")
    XCTAssertLessThan(sent.first ?? .max, 48 << 10)
  }

  func testNoNumberAtAll() throws {
    XCTAssertNil(try percentile(80, [], .even))
  }

  /// One bad number on one rank ends all ranks, with the same message.
  func testNumbersThatHaveNoOrder() throws {
    for bad in [Float.nan, -.nan, .infinity, -.infinity, -1, -1e-45] {
      for holder in [0, ranks.size - 1] {
        var mine = uniform("bad", 10).map { abs($0) }
        if ranks.rank == holder { mine[4] = bad }
        XCTAssertThrowsError(try mine.withUnsafeBufferPointer { try ranks.percentile(80, of: $0) }, "\(bad)") { error in
          XCTAssertTrue(error is NotOrderable)
          let text = "\(error)"
          XCTAssertTrue(text.contains("\(10 * ranks.size) values") && text.contains(": 1 of them"), text)
          XCTAssertTrue(text.contains("NaN"), text)
        }
      }
    }
  }
}
