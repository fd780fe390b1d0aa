// Ranks: 1 2 3 4
import Distributed
import Foundation
import TestSupport
import XCTest

/// Collectives that copy or count. The same tests pass with one process and under `mpirun -n 2`, `-n 3` and `-n 4`.
final class CollectiveTests: XCTestCase {
  private let ranks = TestRanks.world
  private var rank: Int { ranks.rank }
  private var size: Int { ranks.size }

  func testRanksAreThoseOfTheLauncher() {
    let environment = ProcessInfo.processInfo.environment
    XCTAssertEqual(size, environment["OMPI_COMM_WORLD_SIZE"].flatMap(Int.init) ?? size)
    XCTAssertEqual(rank, environment["OMPI_COMM_WORLD_RANK"].flatMap(Int.init) ?? rank)
    XCTAssertTrue(rank >= 0 && rank < size)
    XCTAssertEqual(ranks.isPowerOfTwo, [1, 2, 4, 8, 16, 32].contains(size))
    XCTAssertEqual(Communicator.alone.size, 1)
    XCTAssertFalse(MPIEnvironment.host.isEmpty)
  }

  func testSumMinimumMaximum() throws {
    let values = [Int64(rank), -Int64(rank), Int64.max / 8 - Int64(rank), 5]
    let (n, last) = (Int64(size), Int64(size - 1))
    XCTAssertEqual(
      try ranks.sum(values), [n * last / 2, -n * last / 2, n * (Int64.max / 8) - n * last / 2, 5 * n])
    XCTAssertEqual(try ranks.minimum(values), [0, -last, Int64.max / 8 - last, 5])
    XCTAssertEqual(try ranks.maximum(values), [last, 0, Int64.max / 8, 5])
    XCTAssertEqual(try ranks.sum([]), [])
  }

  func testAllGatherOfDifferentCounts() throws {
    struct Pair: Equatable, BitwiseCopyable {
      let number: Int32
      let value: Double
    }
    // Rank 0 and every third rank give nothing.
    func pairs(_ rank: Int) -> [Pair] {
      (0..<(rank % 3 * 5)).map { Pair(number: Int32(100 * rank + $0), value: Double($0) / 3) }
    }
    let (elements, counts) = try ranks.allGather(pairs(rank))
    XCTAssertEqual(counts, (0..<size).map { $0 % 3 * 5 })
    XCTAssertEqual(elements, (0..<size).flatMap(pairs))

    let large = try ranks.allGather(uniform("gather \(rank)", 40_000 + rank))
    XCTAssertEqual(large.elements, (0..<size).flatMap { uniform("gather \($0)", 40_000 + $0) })

    let nothing = try ranks.allGather([UInt8]())
    XCTAssertEqual(nothing.elements, [])
    XCTAssertEqual(nothing.counts, [Int](repeating: 0, count: size))
  }

  func testSendReceiveAroundARing() throws {
    let (next, previous) = ((rank + 1) % size, (rank + size - 1) % size)
    for count in [0, 1, 3, 70_001] {
      let outgoing = uniform("ring \(rank)", count)
      var incoming = [Float](repeating: .nan, count: count)
      try outgoing.withUnsafeBufferPointer { outgoing in
        try incoming.withUnsafeMutableBufferPointer {
          try ranks.sendReceive(outgoing, to: next, $0, from: previous)
        }
      }
      XCTAssertEqual(incoming, uniform("ring \(previous)", count))
    }
  }

  func testBroadcast() throws {
    for root in 0..<size {
      XCTAssertEqual(try ranks.broadcast([rank, 7, -rank], from: root), [root, 7, -root])
      let values = try ranks.broadcast(uniform("broadcast \(rank)", 30_001), from: root)
      XCTAssertEqual(values, uniform("broadcast \(root)", 30_001))
      // Only the root knows the length of a string.
      let text = try ranks.broadcast(rank == root ? "γ_t of rank \(root): größer ≥ 0 🙂" : "", from: root)
      XCTAssertEqual(text, "γ_t of rank \(root): größer ≥ 0 🙂")
      XCTAssertEqual(try ranks.broadcast(rank == root ? "" : "not this", from: root), "")
    }
    XCTAssertEqual(try ranks.broadcast([Double](), from: 0), [])
  }

  private struct Refusal: Error, CustomStringConvertible { let description: String }

  func testTogetherEndsWithTheLowestFailingRanksMessage() throws {
    for failing in [[0], [size - 1], Array(0..<size), Array(size / 2..<size)] {
      let lowest = failing.min()!
      XCTAssertThrowsError(
        try ranks.together { () -> Int in
          if failing.contains(rank) { throw Refusal(description: "rank \(rank): no list at train.txt") }
          return rank
        }
      ) { error in
        let failure = error as? CollectiveFailure
        XCTAssertEqual(failure?.rank, lowest)
        XCTAssertEqual("\(error)", "rank \(lowest): no list at train.txt")
      }
    }
    XCTAssertEqual(try ranks.together { 10 * rank }, 10 * rank)
    // An error without text is an error all the same.
    XCTAssertThrowsError(try ranks.together { throw Refusal(description: "") })
  }

  func testSplit() throws {
    // Odd and even ranks, numbered backwards.
    let part = try ranks.split(color: rank % 2, key: -rank)
    let members = (0..<size).filter { $0 % 2 == rank % 2 }
    XCTAssertEqual(part.size, members.count)
    XCTAssertEqual(part.rank, members.reversed().firstIndex(of: rank))
    XCTAssertEqual(try part.allGather([rank]).elements, members.reversed())
    XCTAssertEqual(try part.sum([1]), [Int64(members.count)])
    var sum = [Double(rank)]
    try part.orderedSum(&sum)
    XCTAssertEqual(sum[0], Double(members.reduce(0, +)))

    let single = try ranks.split(color: rank, key: 0)
    XCTAssertEqual([single.rank, single.size], [0, 1])
    XCTAssertEqual(try single.allGather([rank]).elements, [rank])
  }

  func testNodeHoldsTheRanksOfThisHost() throws {
    let node = try ranks.node()
    let mine = MPIEnvironment.host
    let name = Array(mine.utf8) + [UInt8](repeating: 0, count: 256 - mine.utf8.count)
    let hosts = try ranks.allGather(name).elements
    let here = (0..<size).filter { Array(hosts[$0 * 256..<($0 + 1) * 256]) == name }
    XCTAssertEqual(try node.allGather([rank]).elements, here)
    try ranks.barrier()
  }
}
