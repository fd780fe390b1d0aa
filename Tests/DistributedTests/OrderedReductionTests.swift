// Ranks: 1 2 3 4
import Distributed
import Foundation
import TestSupport
import XCTest

/// Floating-point reductions: bit for bit what one process gets that adds in the tree's order. To be run with one process
/// and under `mpirun -n 2`, `-n 3` and `-n 4`.
final class OrderedReductionTests: XCTestCase {
  private let ranks = TestRanks.world

  /// Combines one value per rank as the promise says: pairs, then pairs of pairs; at other rank counts from left to right.
  private func combined<Value>(_ values: [Value], _ combine: (Value, Value) -> Value) -> Value {
    guard ranks.isPowerOfTwo else { return values.dropFirst().reduce(values[0], combine) }
    var nodes = values
    while nodes.count > 1 {
      nodes = stride(from: 0, to: nodes.count, by: 2).map { combine(nodes[$0], nodes[$0 + 1]) }
    }
    return nodes[0]
  }

  /// Numbers of very different sizes, so that every other order of addition gives other bits.
  private func contribution(of rank: Int, _ count: Int) -> [Float] {
    zip(uniform("value \(rank)", count), uniform("scale \(rank)", count)).map { $0 * exp2(($1 * 12).rounded()) }
  }

  private func reduced(_ count: Int) throws -> [Float] {
    var values = contribution(of: ranks.rank, count)
    try values.withUnsafeMutableBufferPointer { try ranks.orderedAllReduce($0) }
    return values
  }

  func testGradientSumHasTheBitsOfTheTree() throws {
    // The last are larger than a bucket, and than the buckets that are under way at a time.
    for count in [0, 1, 2, 3, 5, 7, 8, 64, 1_001, 100_003, 1_200_001, 6_000_017] {
      let all = (0..<ranks.size).map { contribution(of: $0, count) }
      let expected = combined(all) { zip($0, $1).map(+) }
      let got = try reduced(count)
      let different = zip(got, expected).count { $0.bitPattern != $1.bitPattern }
      XCTAssertEqual(got.count, count)
      XCTAssertEqual(different, 0, "of \(count) elements on \(ranks.size) ranks")
    }
  }

  /// Buckets of any size, ready in any order and in pieces, while the owner of the vector goes on.
  func testBucketsDoNotChangeTheBits() throws {
    let count = 10_007
    let expected = combined((0..<ranks.size).map { contribution(of: $0, count) }) { zip($0, $1).map(+) }
    // The last with messages as between hosts.
    let sizes: [(bucket: Int, message: Int?)] = [
      (1_000, nil), (4_096, nil), (10_006, nil), (10_007, nil), (1 << 20, nil), (1_000, 28), (4_096, 12),
      (1 << 20, 2_048),
    ]
    for (bucket, message) in sizes {
      var values = contribution(of: ranks.rank, count)
      try values.withUnsafeMutableBufferPointer { values in
        let exchange = BucketedAllReduce(values, bucket: bucket, message: message, ranks: ranks)
        // Twice, as in two steps.
        for _ in 0..<2 {
          _ = values.update(fromContentsOf: contribution(of: ranks.rank, count))
          // Pieces of 611 elements, from the back, every other one first.
          let pieces = Array(stride(from: 0, to: count, by: 611).reversed())
          for start in pieces.indices.sorted(by: { ($0 % 2, $0) < ($1 % 2, $1) }).map({ pieces[$0] }) {
            try exchange.ready(start..<min(start + 611, count))
            try exchange.progress()
          }
          try exchange.finish()
          let different = zip(values, expected).count { $0.bitPattern != $1.bitPattern }
          XCTAssertEqual(different, 0, "buckets of \(bucket), messages of \(message ?? bucket), \(ranks.size) ranks")
        }
      }
    }
  }

  /// Small sums are taken, in the backward pass, between the messages of gradients under way.
  func testSmallSumsWhileGradientsAreUnderWay() throws {
    let count = 100_003
    let expected = combined((0..<ranks.size).map { contribution(of: $0, count) }) { zip($0, $1).map(+) }
    func smallContribution(of rank: Int) -> [Double] { [0.1, 0.2, 1e9].map { $0 * Double(rank + 1) } }
    let small = combined((0..<ranks.size).map(smallContribution)) { zip($0, $1).map(+) }
    for message: Int? in [nil, 512] {
      var values = contribution(of: ranks.rank, count)
      try values.withUnsafeMutableBufferPointer { values in
        let exchange = BucketedAllReduce(values, bucket: 3_000, message: message, ranks: ranks)
        for start in stride(from: 0, to: count, by: 7_001).reversed() {
          try exchange.ready(start..<min(start + 7_001, count))
          var sum = smallContribution(of: ranks.rank)
          try ranks.orderedSum(&sum)
          XCTAssertEqual(sum, small)
        }
        try exchange.finish()
        let different = zip(values, expected).count { $0.bitPattern != $1.bitPattern }
        XCTAssertEqual(different, 0, "on \(ranks.size) ranks")
      }
    }
  }

  /// What nothing was computed for stays zero and is not sent.
  func testElementsThatAreNeverReady() throws {
    var values = [Float](repeating: 0, count: 1_000)
    for i in 300..<400 { values[i] = Float(ranks.rank + 1) }
    let before = ranks.bytesSent
    try values.withUnsafeMutableBufferPointer { values in
      let exchange = BucketedAllReduce(values, bucket: 200, ranks: ranks)
      try exchange.ready(300..<400)
      try exchange.finish()
    }
    let sum = Float(ranks.size * (ranks.size + 1) / 2)
    XCTAssertEqual(values, (0..<1_000).map { (300..<400).contains($0) ? sum : 0 })
    guard ranks.isPowerOfTwo else { return }
    XCTAssertLessThanOrEqual(ranks.bytesSent - before, 2 * 200 * 4, "more than the one bucket was sent")
  }

  /// The sample numbers do tell orders apart; otherwise the test above could not fail.
  func testOtherOrdersHaveOtherBits() {
    let all = (0..<4).map { contribution(of: $0, 1_001) }
    let tree = (0..<1_001).map { (all[0][$0] + all[1][$0]) + (all[2][$0] + all[3][$0]) }
    let line = (0..<1_001).map { all[0][$0] + all[1][$0] + all[2][$0] + all[3][$0] }
    let crossed = (0..<1_001).map { (all[0][$0] + all[2][$0]) + (all[1][$0] + all[3][$0]) }
    XCTAssertGreaterThan(zip(tree, line).count { $0 != $1 }, 50)
    XCTAssertGreaterThan(zip(tree, crossed).count { $0 != $1 }, 50)
  }

  /// 2(p − 1)/p of the vector is what the best all-reduce sends.
  func testGradientSumSendsNoMoreThanTheBestAllReduce() throws {
    guard ranks.isPowerOfTwo else { throw XCTSkip("SKIPPED: \(ranks.size) ranks are no power of two") }
    let count = 100_003
    let before = ranks.bytesSent
    _ = try reduced(count)
    let sent = Double(ranks.bytesSent - before), p = Double(ranks.size)
    XCTAssertEqual(sent, 2 * (p - 1) / p * 4 * Double(count), accuracy: 64)
  }

  func testUnorderedSumIsTheSameUpToRounding() throws {
    let count = 10_007
    let all = (0..<ranks.size).map { contribution(of: $0, count) }
    var values = all[ranks.rank]
    try values.withUnsafeMutableBufferPointer { try ranks.unorderedAllReduce($0) }
    for i in 0..<count {
      let exact = all.reduce(0.0) { $0 + Double($1[i]) }, size = all.reduce(0.0) { $0 + abs(Double($1[i])) }
      XCTAssertEqual(Double(values[i]), exact, accuracy: 1e-6 * size + 1e-30)
    }
  }

  /// A combination that does not commute: it writes down which ranks its operands stand for.
  func testOperandsStandInTheTreesOrder() throws {
    // 64 bytes of text, filled up with spaces.
    func padded(_ text: String) -> [UInt8] { Array(text.utf8) + [UInt8](repeating: 32, count: 64 - text.utf8.count) }
    func text(_ bytes: [UInt8]) -> String {
      String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespaces)
    }
    var record = padded("\(ranks.rank)")
    try ranks.orderedReduce(&record) { left, right in left = padded("(\(text(left)) \(text(right)))") }
    XCTAssertEqual(text(record), combined((0..<ranks.size).map(String.init)) { "(\($0) \($1))" })
    let known = [1: "0", 2: "(0 1)", 3: "((0 1) 2)", 4: "((0 1) (2 3))"]
    if let order = known[ranks.size] { XCTAssertEqual(text(record), order) }
  }

  func testSumOfDoubles() throws {
    func value(_ rank: Int) -> [Double] { uniform("d\(rank)", 33).map { Double($0) / 3 } }
    var sum = value(ranks.rank)
    try ranks.orderedSum(&sum)
    XCTAssertEqual(sum, combined((0..<ranks.size).map(value)) { zip($0, $1).map(+) })
    var none: [Double] = []
    try ranks.orderedSum(&none)
    XCTAssertEqual(none, [])
  }
}
