// Ranks: 1 2 4
import Measurement
import TestSupport
import XCTest

/// Latency and bandwidth between ranks, as `u2pl plan` takes them. Run under mpirun too.
final class LinkBenchmarkTests: XCTestCase {
  func testEveryDistanceIsMeasured() throws {
    let ranks = TestRanks.world
    let ways = try LinkBenchmark(ranks: ranks).run(bytes: 1 << 20, messages: 20, rounds: 3)
    XCTAssertEqual(ways.map(\.distance), [1, 2, 4, 8].filter { $0 < ranks.size })
    for way in ways {
      // Of the ranks that have a partner at this distance, each pair once.
      XCTAssertEqual(way.pairs, (0..<ranks.size).count { $0 < $0 ^ way.distance && $0 ^ way.distance < ranks.size })
      XCTAssertEqual(way.betweenHosts, 0, "all of this test's ranks are on one host")
      XCTAssertGreaterThan(way.latency, 1e-8)
      XCTAssertLessThan(way.latency, 1)
      XCTAssertGreaterThan(way.bandwidth, 1e6)
      XCTAssertLessThan(way.bandwidth, 1e12)
    }
  }
}
