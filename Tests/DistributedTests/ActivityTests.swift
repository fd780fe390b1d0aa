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
    XCTAssertEqual(board.slots.keys.sorted(), Array(0..<ranks.size))

    Activity.begin("phase of \(ranks.rank)", step: 40 + ranks.rank, patience: 1 + ranks.rank)
    let before = Activity.slot[.progress]
    Activity.advance()
    XCTAssertEqual(Activity.slot[.progress], before + 1)
    try ranks.barrier()
    for rank in 0..<ranks.size {
      let slot = try XCTUnwrap(board.slots[rank])
      XCTAssertEqual(slot.phase, "phase of \(rank)")
      XCTAssertEqual(slot[.step], 40 + rank)
      XCTAssertEqual(slot[.patience], 1 + rank)
      XCTAssertGreaterThan(slot[.progress], 0)
      XCTAssertLessThan(abs(Double(slot[.since]) * 1e-9 - Date().timeIntervalSince1970), 5)
    }
    XCTAssertEqual(Activity.slot[.isWaiting], 0)
    try ranks.barrier()
    // Longer than there is room for.
    Activity.begin(String(repeating: "ä", count: 40))
    XCTAssertTrue(Activity.slot.phase.hasPrefix("äääääääääääääää"))
    XCTAssertLessThanOrEqual(Activity.slot.phase.utf8.count, 34)
  }

  func testTimeInCallsIsCounted() throws {
    guard ranks.size > 1 else { throw XCTSkip("SKIPPED: nobody to wait for") }
    try ranks.barrier()
    _ = Activity.takeWaits()
    if ranks.rank == 0 { usleep(500_000) }
    try ranks.barrier()
    let waits = Activity.takeWaits()
    XCTAssertEqual(Activity.slot.call, "MPI_Barrier")
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
    XCTAssertEqual(Activity.slot.call, "MPI_Sendrecv")
    XCTAssertEqual(Activity.slot[.partner], ranks.rank ^ (ranks.size / 2))
  }
}
