/// Who is to blame when a rank has waited too long: those that are late themselves, never those that wait as well.
package struct Lateness {
  /// What a waiting rank sees of another.
  package struct View {
    /// nil of a rank on a host that shares no files with this one.
    package var status: RankStatus?
    /// Seconds in which not even its heartbeat came.
    package var silent: Double
    /// As the system has it; nil of a rank on another host.
    package var state: ProcessState?

    package init(status: RankStatus?, silent: Double, state: ProcessState?) {
      (self.status, self.silent, self.state) = (status, silent, state)
    }
  }

  package enum Verdict: Equatable {
    /// It has gone on lately, or has a phase that may take longer.
    case working
    /// It waits in a call of MPI, and has done so for about as long.
    case waiting
    /// Nothing is known of it.
    case unseen
    /// Why it is to blame.
    case late(String)
  }

  /// Seconds after which a rank that does not go on is late.
  package let limit: Double
  /// Seconds after which a rank without a heartbeat counts as dead.
  package let silence: Double

  package init(limit: Double, silence: Double) { (self.limit, self.silence) = (limit, silence) }

  package func verdict(_ view: View) -> Verdict {
    guard let status = view.status else { return .unseen }
    if view.silent >= silence {
      switch view.state {
      // A process that runs without its heartbeat has lost a thread, or lives where it cannot be looked at from here.
      case .stopped, .gone, .wedged: return .late(view.state!.description(pid: status.pid))
      default: return .late("without a sign of life (stopped, crashed, or its host cannot be reached)")
      }
    }
    // Ranks come to a collective one after the other.
    if status.call != nil { return status.quiet >= 0.8 * limit ? .waiting : .working }
    guard status.quiet >= 0.8 * limit * Double(status.patience) else { return .working }
    return .late((view.state ?? status.state ?? .idle).description(pid: status.pid))
  }

  /// What a rank that has waited in a call for ``limit`` says of all others; nil where one of them is still at work.
  ///
  /// - Parameter places: what an unseen rank is called.
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
