import Dispatch
import Distributed
import Method
import RunLogs

/// Where the time of a step goes on this rank, in seconds by phase; publishes the phase it is in.
struct PhaseClock {
  private var seconds: [PhaseTime] = []
  /// The part of each phase spent in calls of MPI.
  private var waits: [PhaseTime] = []
  /// The same by call.
  private var calls: [String: Double] = [:]
  private var last = DispatchTime.now().uptimeNanoseconds
  /// A phase is named when it ends, and is to be published when it begins.
  private let order: [StepPhase]

  /// Begins the first phase of `order`.
  ///
  /// - Parameter step: which step it times.
  init(_ order: [StepPhase] = [], step: Int = 0) {
    self.order = order
    // What was waited for before it belongs to no phase.
    _ = Activity.takeWaits()
    if let first = order.first { Activity.begin(first.rawValue, step: step) }
  }

  /// Ends the phase that began with the last call, or with the clock.
  mutating func mark(_ phase: StepPhase) {
    let now = DispatchTime.now().uptimeNanoseconds
    seconds.append(PhaseTime(phase: phase.rawValue, seconds: Double(now - last) * 1e-9))
    last = now
    let calls = Activity.takeWaits()
    waits.append(PhaseTime(phase: phase.rawValue, seconds: calls.reduce(0) { $0 + $1.seconds }))
    for (call, elapsed) in calls { self.calls[call, default: 0] += elapsed }
    guard let i = order.firstIndex(of: phase), i + 1 < order.count else {
      return Activity.begin("after \(phase.rawValue)")
    }
    Activity.begin(order[i + 1].rawValue)
  }

  var times: StepTimes {
    StepTimes(seconds: seconds.reduce(0) { $0 + $1.seconds }, phases: seconds, waits: waits, calls: calls)
  }
}
