import XCTest

import Supervisor

final class PlannerTests: XCTestCase {
  private func facts(_ cores: [String: Int]) -> [String: HostFacts] {
    cores.mapValues { HostFacts(cores: $0, instructions: .avx2) }
  }

  private func planner(
    _ slots: [(String, Int?)], _ cores: [String: Int], ranks: Int?, oversubscribe: Bool = false,
    batch: (Int, Int) = (16, 16), threads: Int? = nil
  ) throws -> Planner {
    try Planner(
      Allocation(hosts: slots.map { HostSlots(name: $0.0, slots: $0.1) }, source: "f"), facts: facts(cores),
      .init(
        ranks: ranks, oversubscribe: oversubscribe, batch: (labeled: batch.0, unlabeled: batch.1), threads: threads))
  }

  private func shares(_ plan: RankPlan?) -> String {
    plan.map { $0.shares.map { "\($0.host):\($0.ranks)" }.joined(separator: " ") + " ×\($0.threads)" } ?? "none"
  }

  func testThreeHostsOfWhichOneIsLost() throws {
    let planner = try planner([("a", 1), ("b", 1), ("c", 2)], ["a": 2, "b": 2, "c": 2], ranks: 4)
    XCTAssertEqual(shares(planner.plan(facts(["a": 2, "b": 2, "c": 2]))), "a:1 b:1 c:2 ×1")
    XCTAssertEqual(shares(planner.plan(facts(["a": 2, "c": 2]))), "a:1 c:1 ×1")
    XCTAssertEqual(shares(planner.plan(facts(["b": 2]))), "b:1 ×1")
    XCTAssertEqual(shares(planner.plan([:])), "none")
    // It comes back.
    XCTAssertEqual(planner.plan(facts(["a": 2, "b": 2, "c": 2]))?.ranks, 4)
  }

  func testRanksAreSpreadEvenlyAndNumberedByHost() throws {
    let planner = try planner([("a", 4), ("b", 4), ("c", 4)], ["a": 8, "b": 8, "c": 8], ranks: 8)
    let plan = try XCTUnwrap(planner.plan(facts(["a": 8, "b": 8, "c": 8])))
    XCTAssertEqual(shares(plan), "a:3 b:3 c:2 ×2")
    XCTAssertEqual((0..<9).map { plan.host(ofRank: $0) ?? "-" }, ["a", "a", "a", "b", "b", "b", "c", "c", "-"])
  }

  /// Runs side by side have an equal part of each host.
  func testSharers() throws {
    func planner(_ sharers: Int, ranks: Int? = nil) throws -> Planner {
      try Planner(
        Allocation(hosts: ["a", "b"].map { HostSlots(name: $0, slots: nil) }, source: "f"),
        facts: facts(["a": 8, "b": 8]),
        .init(ranks: ranks, oversubscribe: false, batch: (16, 16), threads: nil, sharers: sharers))
    }
    let both = facts(["a": 8, "b": 8])
    XCTAssertEqual(shares(try planner(1).plan(both)), "a:8 b:8 ×1")
    XCTAssertEqual(shares(try planner(2).plan(both)), "a:4 b:4 ×1")
    XCTAssertEqual(shares(try planner(2, ranks: 2).plan(both)), "a:1 b:1 ×4")
    XCTAssertEqual(shares(try planner(3).plan(both)), "a:2 b:2 ×1")
    XCTAssertEqual(shares(try planner(2).plan(facts(["b": 8]))), "b:4 ×1")
    XCTAssertThrowsError(try planner(9)) {
      XCTAssertTrue("\($0)".contains("9 runs side by side: f has 16 slots"), "\($0)")
    }
  }

  /// The threads of a rank are part of what fixes the bits; a host has to have cores for them.
  func testThreadsStay() throws {
    let cores = ["a": 4, "b": 4, "c": 4, "d": 4]
    let planner = try planner(cores.keys.sorted().map { ($0, 4) }, cores, ranks: 4)
    XCTAssertEqual(shares(planner.plan(facts(cores))), "a:1 b:1 c:1 d:1 ×4")
    XCTAssertEqual(shares(planner.plan(facts(["a": 4, "b": 4, "c": 4]))), "a:1 b:1 ×4")
  }

  /// A host that cannot compute what the run has begun to compute is left out.
  func testInstructionsStay() throws {
    func facts(_ instructions: [String: HostFacts.Instructions]) -> [String: HostFacts] {
      instructions.mapValues { HostFacts(cores: 2, instructions: $0) }
    }
    let hosts = Allocation(hosts: ["a", "b"].map { HostSlots(name: $0, slots: 1) }, source: "f")
    func planner(_ first: [String: HostFacts.Instructions]) throws -> Planner {
      try Planner(hosts, facts: facts(first), .init(ranks: 1, oversubscribe: false, batch: (2, 2), threads: 1))
    }
    let wide = try planner(["a": .avx512])
    XCTAssertEqual(wide.instructions, .avx512)
    XCTAssertEqual(shares(wide.plan(facts(["a": .avx512, "b": .avx2]))), "a:1 ×1")
    XCTAssertEqual(shares(wide.plan(facts(["b": .avx2]))), "none")
    let mixed = try planner(["a": .avx512, "b": .avx2])
    XCTAssertEqual(mixed.instructions, .avx2)
    XCTAssertEqual(shares(mixed.plan(facts(["b": .avx512]))), "b:1 ×1")
  }

  func testThreadsOfTheConfiguration() throws {
    let planner = try planner([("a", nil)], ["a": 2], ranks: 2, threads: 3)
    XCTAssertEqual(shares(planner.plan(facts(["a": 2]))), "a:2 ×3")
  }

  func testTheLargestPowerOfTwoThatDividesTheBatch() throws {
    XCTAssertEqual(try planner([("a", 7)], ["a": 8], ranks: nil).plan(facts(["a": 8]))?.ranks, 4)
    XCTAssertEqual(try planner([("a", 7)], ["a": 8], ranks: nil, batch: (2, 6)).plan(facts(["a": 8]))?.ranks, 2)
    XCTAssertEqual(try planner([("a", 7)], ["a": 8], ranks: nil, batch: (3, 0)).plan(facts(["a": 8]))?.ranks, 1)
    XCTAssertEqual(try planner([("a", nil)], ["a": 8], ranks: nil, batch: (8, 0)).plan(facts(["a": 8]))?.ranks, 8)
  }

  func testANumberThatIsNoPowerOfTwoIsKeptWhileThereIsRoom() throws {
    let planner = try planner([("a", 2), ("b", 1)], ["a": 2, "b": 2], ranks: 3, batch: (3, 6))
    let whole = try XCTUnwrap(planner.plan(facts(["a": 2, "b": 2])))
    XCTAssertEqual(whole.ranks, 3)
    let less = try XCTUnwrap(planner.plan(facts(["a": 2])))
    XCTAssertEqual(less.ranks, 1)
    XCTAssertFalse(Planner.computeSameBits(whole, less))
    XCTAssertTrue(Planner.computeSameBits(whole, whole))
  }

  func testOversubscribed() throws {
    let planner = try planner([("a", 1), ("b", 1)], ["a": 1, "b": 1], ranks: 4, oversubscribe: true)
    XCTAssertEqual(shares(planner.plan(facts(["a": 1, "b": 1]))), "a:2 b:2 ×1")
    XCTAssertEqual(shares(planner.plan(facts(["b": 1]))), "b:2 ×1")
  }

  func testImpossibleNumbers() throws {
    for (ranks, part) in [
      (3, "-n 3: the ranks must divide the batch, which has 16 labeled and 16 unlabeled images a step; -n 2 does"),
      (8, "-n 8: f has 4 slots; -n 4, more slots, or --oversubscribe"),
    ] {
      XCTAssertThrowsError(try planner([("a", 4)], ["a": 4], ranks: ranks)) {
        XCTAssertTrue("\($0)".hasPrefix(part), "\($0)")
      }
    }
    XCTAssertThrowsError(try planner([("a", 4)], [:], ranks: 4, oversubscribe: true)) {
      XCTAssertTrue("\($0)".hasPrefix("none of the hosts of f answers"), "\($0)")
    }
    // One of the hosts of the file does not answer.
    XCTAssertThrowsError(try planner([("a", 2), ("b", 2)], ["a": 2], ranks: 4)) {
      XCTAssertTrue("\($0)".contains("2 slots on the hosts that answer; -n 2"), "\($0)")
    }
    XCTAssertEqual(shares(try planner([("a", 2), ("b", 2)], ["a": 2], ranks: 2).plan(facts(["a": 2]))), "a:2 ×1")
  }

  func testFacts() throws {
    // Allowed, all, distinct cores.
    for (line, cores) in [
      ("u2pl-host 64 64 32 avx512", 32), ("u2pl-host 16 64 32 avx2", 8), ("u2pl-host 2 2 2 base", 2),
      ("u2pl-host 1 64 32 base", 1),
      ("u2pl-host 2 2 0 avx2", 2), ("u2pl-host 2 2 avx2", 2),
    ] {
      XCTAssertEqual(HostFacts(["Welcome to node01!", line])?.cores, cores, line)
    }
    XCTAssertEqual(HostFacts(["u2pl-host 64 64 32 avx512"])?.instructions, .avx512)
    for output in [[], ["u2pl-host"], ["u2pl-host x y z"], ["command not found"]] { XCTAssertNil(HostFacts(output)) }
  }
}
