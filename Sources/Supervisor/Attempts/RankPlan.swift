/// How many ranks run on which hosts, and with how many threads each.
package struct RankPlan: Equatable, Sendable {
  package struct Share: Equatable, Sendable {
    package let host: String
    package let ranks: Int

    package init(host: String, ranks: Int) {
      self.host = host
      self.ranks = ranks
    }
  }

  /// Hosts with at least one rank. Ranks are numbered through them in this order.
  package let shares: [Share]
  package let threads: Int

  package init(shares: [Share], threads: Int) {
    self.shares = shares
    self.threads = threads
  }

  package var ranks: Int { shares.reduce(0) { $0 + $1.ranks } }
  package var hosts: [String] { shares.map(\.host) }

  package func host(ofRank rank: Int) -> String? {
    var first = 0
    for share in shares {
      if (first..<first + share.ranks).contains(rank) { return share.host }
      first += share.ranks
    }
    return nil
  }

  /// Such as `4 ranks × 2 threads on node01 (2), node02 (1), node03 (1)`.
  package var summary: String {
    let places = shares.count == 1 ? hosts[0] : shares.map { "\($0.host) (\($0.ranks))" }.joined(separator: ", ")
    return "\(ranks) rank\(ranks == 1 ? "" : "s") × \(threads) thread\(threads == 1 ? "" : "s") on \(places)"
  }
}

/// Chooses the ranks of each attempt.
///
/// The first attempt fixes the threads of a rank and the instruction set of all ranks, because the bits depend on them.
/// Later attempts keep both. They have as many ranks as the first if the remaining hosts have room for them, else the
/// largest power of two that fits and divides the batch.
package struct Planner {
  /// Labeled and unlabeled images a step, 0 for none. The number of ranks must divide both.
  package let batch: (labeled: Int, unlabeled: Int)
  /// Threads of a rank, as configured; nil for cores / ranks.
  package let threads: Int?
  /// The instruction set that every host of the first attempt has, or a smaller one with which the run began. A host
  /// that comes later and lacks it is not used.
  package let instructions: HostFacts.Instructions
  private let first: RankPlan
  /// The most ranks of a slot.
  private let factor: Int
  private let sharers: Int
  private let slots: [HostSlots]

  /// What the user and the configuration ask for.
  package struct Request {
    /// The number of ranks, nil for as many as there is room for.
    var ranks: Int?
    /// Whether a slot may get several ranks.
    var oversubscribe: Bool
    /// Images a step.
    var batch: (labeled: Int, unlabeled: Int)
    /// Threads of a rank, nil for its share of the cores.
    var threads: Int?
    /// Runs side by side, each with an equal part of every host's slots and cores.
    var sharers: Int

    package init(
      ranks: Int?, oversubscribe: Bool, batch: (labeled: Int, unlabeled: Int), threads: Int?, sharers: Int = 1
    ) {
      (self.ranks, self.oversubscribe, self.batch, self.threads) = (ranks, oversubscribe, batch, threads)
      self.sharers = sharers
    }
  }

  /// Plans the first attempt.
  ///
  /// - Parameters:
  ///   - facts: of the hosts that answer.
  ///   - begun: the instructions that the run has computed with before, under another launch.
  /// - Throws: ``SupervisorError`` where the number is impossible.
  package init(
    _ allocation: Allocation, facts: [String: HostFacts], _ request: Request, begun: HostFacts.Instructions? = nil
  ) throws {
    (batch, threads) = (request.batch, request.threads)
    let sharers = request.sharers
    self.sharers = sharers
    slots = allocation.hosts
    let whole = slots.filter { facts[$0.name] != nil }.map { (host: $0.name, room: $0.slots ?? facts[$0.name]!.cores) }
    let there = whole.map { (host: $0.host, room: $0.room / sharers) }
    let total = there.reduce(0) { $0 + $1.room }
    guard total > 0 else {
      let slots = whole.reduce(0) { $0 + $1.room }
      guard slots == 0 else {
        throw SupervisorError(
          "\(sharers) runs side by side: \(allocation.source) has \(slots) slot\(slots == 1 ? "" : "s"), and each run "
            + "needs at least one of the same host")
      }
      throw SupervisorError(
        "none of the hosts of \(allocation.source) answers; each must be reached without a password, by ssh or by what "
          + "OMPI_MCA_plm_rsh_agent says"
          + (allocation.source.hasPrefix("Slurm") ? "; a hostfile (--hostfile) goes before Slurm's list" : ""))
    }
    let largest = Self.largest(within: total, batch: batch)
    let ranks = request.ranks ?? largest
    guard Self.divides(ranks, batch) else {
      throw SupervisorError(
        "-n \(ranks): the ranks must divide the batch, which has \(batch.labeled) labeled and \(batch.unlabeled) "
          + "unlabeled images a step; -n \(Self.largest(within: min(ranks, total), batch: batch)) does")
    }
    guard ranks <= total || request.oversubscribe else {
      throw SupervisorError(
        "-n \(ranks): \(allocation.source) has \(total) slot\(total == 1 ? "" : "s")"
          + (sharers > 1 ? " for each of \(sharers) runs side by side" : "")
          + (there.count < slots.count ? " on the hosts that answer" : "")
          + "; -n \(largest), more slots, or --oversubscribe for several ranks a slot")
    }
    let factor = (ranks + total - 1) / total
    self.factor = factor
    instructions = (there.map { facts[$0.host]!.instructions } + [begun].compactMap(\.self)).min() ?? .base
    let shares = Self.spread(ranks, over: there.map { ($0.host, $0.room * factor) })
    first = RankPlan(
      shares: shares,
      threads: threads
        ?? max(1, shares.map { facts[$0.host]!.cores / sharers / $0.ranks }.min() ?? 1))
  }

  /// Plans an attempt on the hosts that answer; nil where none of them can be used.
  package func plan(_ facts: [String: HostFacts]) -> RankPlan? {
    let rooms = slots.compactMap { entry -> (host: String, room: Int)? in
      guard let host = facts[entry.name], host.instructions >= instructions else { return nil }
      let most = (entry.slots ?? host.cores) / sharers * factor
      // Ranks of one thread fill the slots. Ranks of several threads also need a core for each thread.
      let room = first.threads == 1 ? most : min(most, max(1, host.cores / sharers / first.threads))
      return (entry.name, max(room, first.shares.first { $0.host == entry.name }?.ranks ?? 0))
    }
    let total = rooms.reduce(0) { $0 + $1.room }
    guard total > 0 else { return nil }
    let ranks = first.ranks <= total ? first.ranks : Self.largest(within: total, batch: batch)
    return RankPlan(shares: Self.spread(ranks, over: rooms), threads: first.threads)
  }

  /// Whether two plans compute the same bits: powers of two, or the same number.
  package static func computeSameBits(_ a: RankPlan, _ b: RankPlan) -> Bool {
    a.threads == b.threads && (a.ranks == b.ranks || [a, b].allSatisfy { $0.ranks & ($0.ranks - 1) == 0 })
  }

  private static func divides(_ ranks: Int, _ batch: (labeled: Int, unlabeled: Int)) -> Bool {
    ranks > 0 && batch.labeled % ranks == 0 && batch.unlabeled % ranks == 0
  }

  /// The largest power of two up to a limit that divides the batch.
  private static func largest(within limit: Int, batch: (labeled: Int, unlabeled: Int)) -> Int {
    var ranks = 1
    while ranks * 2 <= limit, divides(ranks * 2, batch) { ranks *= 2 }
    return ranks
  }

  /// Deals ranks to the hosts in turn, as long as they have room, so that cores and memory are used evenly.
  private static func spread(_ ranks: Int, over rooms: [(host: String, room: Int)]) -> [RankPlan.Share] {
    var counts = [Int](repeating: 0, count: rooms.count)
    var left = ranks
    while left > 0 {
      let before = left
      for index in rooms.indices where left > 0 && counts[index] < rooms[index].room {
        counts[index] += 1
        left -= 1
      }
      guard left < before else { break }
    }
    return rooms.indices.filter { counts[$0] > 0 }.map { RankPlan.Share(host: rooms[$0].host, ranks: counts[$0]) }
  }
}
