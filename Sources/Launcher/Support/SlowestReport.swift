import Foundation
import RunLogs

/// The output of `u2pl logs --slowest`.
struct SlowestReport {
  let run: String
  let times: [Int: [Int: StepTimes]]
  let hosts: [Int: String]
  let lacksWaits: Bool

  func lines() throws -> [String] {
    guard times.values.contains(where: { !$0.isEmpty }) else {
      throw LogError.noSteps(in: run)
    }
    guard times.count > 1 else {
      throw LogError("\(run): only one rank is read, and no one waits for it; --slowest compares ranks")
    }
    let found = Stragglers(times)
    guard found.steps > 0 else {
      throw LogError(
        lacksWaits
          ? "\(run): written by a version that did not measure waits; a rank's own work cannot be told from its waiting"
          : "\(run): no step has been logged by all of ranks \(RunLogs.list(times.keys.sorted()))")
    }
    var lines = [
      "\(found.steps) steps of ranks \(RunLogs.list(times.keys.sorted())), \(seconds(found.stepSeconds)) s a step; medians, in seconds",
      "",
      "phase                 most own work          own   others    more  of a step  in steps",
    ]
    for phase in found.phases {
      lines.append(
        phase.name.padding(toLength: max(20, phase.name.count), withPad: " ", startingAt: 0) + "  "
          + place(phase.rank).padding(toLength: max(18, place(phase.rank).count), withPad: " ", startingAt: 0)
          + String(
            format: "%8.3f %8.3f%8.3f     %5.1f %%   %5.1f %%", phase.own, phase.others, phase.excess,
            phase.excess / found.stepSeconds * 100, phase.shareOfSteps * 100))
    }
    lines.append("")
    lines += verdict(found)
    return lines
  }

  private func verdict(_ found: Stragglers) -> [String] {
    guard let straggler = found.straggler else {
      let slowest = found.slowest.map {
        "; most work of its own has \(place($0.rank)), the others wait \(percent(max(0, $0.share))) of a step for it"
      }
      return ["no straggler\(slowest ?? "")"]
    }
    let phases = found.phases.filter {
      $0.rank == straggler.rank && $0.excess >= 0.2 * max(straggler.othersWaitedMore, 1e-9)
    }.sorted { $0.excess > $1.excess }.map(\.name)
    return [
      "\(place(straggler.rank)) holds the others up"
        + (phases.isEmpty ? "" : ", in \(phases.joined(separator: ", "))")
        + ": \(seconds(straggler.own)) s of a step are its own work, \(seconds(straggler.waited)) s it waits;",
      "the others wait \(seconds(straggler.othersWaitedMore)) s longer in each step than it does, "
        + "\(percent(straggler.share)) of the step",
    ]
  }

  private func place(_ rank: Int) -> String { "rank \(rank)" + (hosts[rank].map { " on \($0)" } ?? "") }
  private func seconds(_ value: Double) -> String { String(format: "%.3f", value) }
  private func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
}

extension LogError {
  static func noSteps(in logs: String) -> LogError {
    LogError("\(logs): no step has been logged, or none of those asked for")
  }
}
