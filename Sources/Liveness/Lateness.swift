/// Finds the ranks that are late when a rank has waited too long. Ranks that wait as well are never among them.
package struct Lateness {
  /// Another rank, as a waiting rank sees it.
  package struct View {
    /// nil for a rank on a host that shares no files with this one.
    package var status: RankStatus?
    /// Seconds without even a heartbeat.
    package var silent: Double
    /// As the system reports it; nil for a rank on another host.
    package var state: ProcessState?

    package init(status: RankStatus?, silent: Double, state: ProcessState?) {
      (self.status, self.silent, self.state) = (status, silent, state)
    }
  }

  package enum Verdict: Equatable {
    /// It has made progress lately, or is in a phase that may take longer.
    case working
    /// It waits in an MPI call too, for about as long.
    case waiting
    /// Nothing is known about it.
    case unseen
    /// It is late, with the reason.
    case late(String)
  }

  /// Seconds without progress after which a rank is late.
  package let limit: Double
  /// Seconds after which a rank without a heartbeat counts as dead.
  package let silence: Double

  package init(limit: Double, silence: Double) { (self.limit, self.silence) = (limit, silence) }

  /// From this part of the limit on another rank counts as waiting or late: ranks come to a collective one after the
  /// other, so when the first has waited for the whole limit, the others have waited for less.
  private static let shareOfLimit = 0.8

  package func verdict(_ view: View) -> Verdict {
    guard let status = view.status else { return .unseen }
    if view.silent >= silence {
      switch view.state {
      // A process that runs without a heartbeat has lost a thread, or cannot be seen from here, as in a container.
      case .stopped, .gone, .wedged: return .late(view.state!.description(pid: status.pid))
      default: return .late("without a sign of life (stopped, crashed, or its host cannot be reached)")
      }
    }
    let limit = Self.shareOfLimit * self.limit
    if status.call != nil { return status.quiet >= limit ? .waiting : .working }
    guard status.quiet >= limit * Double(status.patience) else { return .working }
    return .late((view.state ?? status.state ?? .idle).description(pid: status.pid))
  }

  /// The message of a rank that has waited in a call for ``limit``; nil where another rank is still at work.
  ///
  /// - Parameter places: the name of an unseen rank.
  package func accusation(by own: RankStatus, of views: [Int: View], places: (Int) -> String) -> String? {
    let verdicts = views.mapValues(verdict).sorted { $0.key < $1.key }
    let late = verdicts.compactMap { rank, verdict -> String? in
      guard case .late(let why) = verdict, let status = views[rank]?.status else { return nil }
      return "\(status.place) (pid \(status.pid)) is \(why), in \(status.position)"
    }
    let wait = "Here, \(own.place) has waited \(Int(own.quiet)) s in \(own.call ?? "")\(waitsFor(own)), \(own.position)"
    if !late.isEmpty { return "\(late.joined(separator: "; ")). \(wait)" }
    guard !verdicts.contains(where: { $0.value == .working }) else { return nil }
    let unseen = verdicts.filter { $0.value == .unseen }.map(\.key)
    if !unseen.isEmpty {
      // It may be in the same long phase.
      guard own.quiet >= limit * Double(own.patience) else { return nil }
      return
        "\(unseen.map(places).joined(separator: ", ")) cannot be seen from \(own.host), and every other rank waits: "
        + "look at the logs there. \(wait)"
    }
    let all = ([own] + verdicts.compactMap { views[$0.key]?.status }).sorted { $0.rank < $1.rank }
    return "every rank waits for another, and none is late: a link between hosts has stopped carrying messages. "
      + all.map { "\($0.place) in \($0.call ?? "")\(waitsFor($0)), \($0.position)" }.joined(separator: "; ")
  }

  private func waitsFor(_ status: RankStatus) -> String { status.partner.map { " for rank \($0)" } ?? "" }
}
