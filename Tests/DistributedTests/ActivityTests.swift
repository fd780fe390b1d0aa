// Ranks: 1 2 3 4
import Distributed
import Foundation
import TestSupport
import XCTest

/// What a rank publishes of itself can be read by the other ranks of its node, without a message.
final class ActivityTests: XCTestCase {
  private let ranks = TestRanks.world

  func testRanksOfANodeSeeEachOther() throws {
    let board = try StatusBoard(ranks)
    XCTAssertEqual(board.places.count, ranks.size)
    XCTAssertEqual(board.places[ranks.rank].host, MPIEnvironment.host)
    XCTAssertEqual(board.places[ranks.rank].pid, getpid())
    XCTAssertEqual(Set(board.places.map(\.pid)).count, ranks.size)
    // All of this test's ranks are on one node.
    XCTAssertEqual(board.records.keys.sorted(), Array(0..<ranks.size))

    Activity.begin("phase of \(ranks.rank)", step: 40 + ranks.rank, patience: 1 + ranks.rank)
    let before = Activity.record[.progress]
    Activity.advance()
    XCTAssertEqual(Activity.record[.progress], before + 1)
    try ranks.barrier()
    for rank in 0..<ranks.size {
      let record = try XCTUnwrap(board.records[rank])
      XCTAssertEqual(record.phase, "phase of \(rank)")
      XCTAssertEqual(record[.step], 40 + rank)
      XCTAssertEqual(record[.patience], 1 + rank)
      XCTAssertGreaterThan(record[.progress], 0)
      XCTAssertLessThan(abs(Double(record[.since]) * 1e-9 - Date().timeIntervalSince1970), 5)
    }
    XCTAssertEqual(Activity.record[.isWaiting], 0)
    try ranks.barrier()
    // Longer than there is room for.
    Activity.begin(String(repeating: "ä", count: 40))
    XCTAssertTrue(Activity.record.phase.hasPrefix("äääääääääääääää"))
    XCTAssertLessThanOrEqual(Activity.record.phase.utf8.count, 34)
  }

  func testTimeInCallsIsCounted() throws {
    guard ranks.size > 1 else { throw XCTSkip("SKIPPED: nobody to wait for") }
    try ranks.barrier()
    _ = Activity.takeWaits()
    if ranks.rank == 0 { usleep(500_000) }
    try ranks.barrier()
    let waits = Activity.takeWaits()
    XCTAssertEqual(Activity.record.call, "MPI_Barrier")
    let barrier = waits.filter { $0.call == "MPI_Barrier" }.reduce(0) { $0 + $1.seconds }
    if ranks.rank == 0 {
      XCTAssertLessThan(barrier, 0.45)
    } else {
      XCTAssertGreaterThan(barrier, 0.3)
    }
    XCTAssertEqual(Activity.takeWaits().count, 0)
  }

  func testTheOneWaitedForIsPublished() throws {
    guard ranks.size > 1, ranks.isPowerOfTwo else { throw XCTSkip("SKIPPED: nobody to wait for") }
    var sum = [Double(ranks.rank)]
    try ranks.orderedSum(&sum)
    XCTAssertEqual(Activity.record.call, "MPI_Sendrecv")
    XCTAssertEqual(Activity.record[.partner], ranks.rank ^ (ranks.size / 2))
  }
  /// A rank that waits for another one looks as if it waited, however often it asks meanwhile for gradients under way.
  func testGradientsUnderWayAreNoProgressOfTheWait() throws {
    guard ranks.size > 1, ranks.isPowerOfTwo else { throw XCTSkip("SKIPPED: nobody to wait for") }
    var values = [Float](repeating: Float(ranks.rank + 1), count: 1_000)
    try values.withUnsafeMutableBufferPointer { values in
      let exchange = BucketedAllReduce(values, bucket: 100, ranks: ranks)
      // The first bucket alone, so that who shares a host is known.
      try exchange.ready(0..<100)
      try ranks.barrier()
      if ranks.rank == 0 { usleep(500_000) }
      try exchange.ready(100..<1_000)
      _ = Activity.takeWaits()
      let before = Activity.record[.progress]
      var sum = [1.0]
      try ranks.orderedReduce(&sum, movingOn: exchange) { $0[0] += $1[0] }
      if ranks.rank == 1 {
        XCTAssertLessThan(Activity.record[.progress] - before, 20)
        XCTAssertGreaterThan(Activity.takeWaits().first { $0.call == "MPI_Waitall" }?.seconds ?? 0, 0.3)
      }
      try exchange.finish()
    }
    let all = ranks.size * (ranks.size + 1) / 2
    XCTAssertEqual(values, [Float](repeating: Float(all), count: 1_000))
  }
}
