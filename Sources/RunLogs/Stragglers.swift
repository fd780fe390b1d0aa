/// Finds the rank that holds the others up.
///
/// All ranks meet in every step's collectives, so a step lasts equally long on all of them. They differ in their own
/// work, a phase's time without the part spent waiting for others: a straggler's is long, and the others wait that much
/// longer.
package struct Stragglers: Sendable {
  /// One phase on the rank with the most own work in it.
  package struct Phase: Sendable, Equatable {
    package let name: String
    package let rank: Int
    /// Median over the steps of its own work, in seconds.
    package let own: Double
    /// The median of the same over the other ranks.
    package let others: Double
    /// The share of steps in which this rank had the most own work.
    package let shareOfSteps: Double
    package var excess: Double { own - others }
  }

  /// A rank as a whole.
  package struct Rank: Sendable, Equatable {
    package let rank: Int
    /// Medians over the steps, in seconds: own work of all phases, waiting for others, and how much longer the others
    /// waited.
    package let own: Double
    package let waited: Double
    package let othersWaitedMore: Double
    /// Median over the steps of `othersWaitedMore` as a share of the step.
    package let share: Double
  }

  /// A rank is called a straggler when the others lose at least this share of a step to it.
  package static let threshold = 0.05

  /// The steps that every rank has logged with its waits.
  package let steps: Int
  /// Median seconds of a step.
  package let stepSeconds: Double
  /// In the order of the step.
  package let phases: [Phase]
  /// The rank that holds the others up most, nil when none does.
  package let straggler: Rank?
  /// The rank with the most own work, straggler or not.
  package let slowest: Rank?

  /// - Parameter logs: of each rank its steps with their times. Of a step that was computed again after a resume, the
  ///   last.
  package init(_ logs: [Int: [Int: StepTimes]]) {
    let ranks = logs.keys.sorted()
    let common = logs.values.reduce(nil as Set<Int>?) { common, log in
      let own = Set(log.lazy.filter { $0.value.waits != nil }.map(\.key))
      return common?.intersection(own) ?? own
    }
    let steps = (common ?? []).sorted()
    self.steps = steps.count
    guard ranks.count > 1, !steps.isEmpty else {
      (stepSeconds, phases, straggler, slowest) = (0, [], nil, nil)
      return
    }
    let times = ranks.map { rank in steps.map { logs[rank]![$0]! } }
    stepSeconds = median(times[0].map(\.seconds))
    phases = Stragglers.phases(ranks, times)

    let total = times.map { $0.map { step in step.phases.reduce(0) { $0 + $1.seconds } } }
    let waits = times.map { $0.map { step in (step.waits ?? []).reduce(0) { $0 + $1.seconds } } }
    let all = ranks.indices.map { r in
      let more = steps.indices.map { s in
        ranks.indices.reduce(0.0) { $0 + ($1 == r ? 0 : waits[$1][s]) } / Double(ranks.count - 1) - waits[r][s]
      }
      return Rank(
        rank: ranks[r], own: median(steps.indices.map { total[r][$0] - waits[r][$0] }), waited: median(waits[r]),
        othersWaitedMore: median(more),
        share: median(steps.indices.map { more[$0] / max(times[r][$0].seconds, .leastNormalMagnitude) }))
    }
    slowest = all.max { ($0.own, $1.rank) < ($1.own, $0.rank) }
    let latest = all.max { ($0.share, $1.rank) < ($1.share, $0.rank) }
    // Where a message that is slow to come looks like waiting, the work does not look like more.
    let leastExcess = Self.threshold / 2 * stepSeconds
    straggler = latest.flatMap { rank in
      let others = median(all.filter { $0.rank != rank.rank }.map(\.own))
      return rank.share >= Self.threshold && rank.own - others >= leastExcess ? rank : nil
    }
  }

  private static func phases(_ ranks: [Int], _ times: [[StepTimes]]) -> [Phase] {
    var names: [String] = []
    for step in times[0] { for phase in step.phases where !names.contains(phase.phase) { names.append(phase.phase) } }
    return names.map { name in
      func seconds(_ list: [PhaseTime]) -> Double { list.reduce(0) { $1.phase == name ? $0 + $1.seconds : $0 } }
      let own = times.map { $0.map { max(0, seconds($0.phases) - seconds($0.waits ?? [])) } }
      let medians = own.map(median)
      let worst = ranks.indices.max { (medians[$0], ranks[$1]) < (medians[$1], ranks[$0]) }!
      let most = own[0].indices.filter { s in own.indices.allSatisfy { own[$0][s] <= own[worst][s] } }.count
      return Phase(
        name: name, rank: ranks[worst], own: medians[worst],
        others: median(ranks.indices.filter { $0 != worst }.map { medians[$0] }),
        shareOfSteps: Double(most) / Double(own[0].count))
    }
  }
}

/// The middle one, or the mean of the two in the middle; 0 of none.
func median(_ values: [Double]) -> Double {
  guard !values.isEmpty else { return 0 }
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
