import Distributed
import Method
import RunLogs

/// Measures the phases of a step on this rank, in seconds, and publishes which phase the rank is in.
struct PhaseClock {
  private var seconds: [PhaseTime] = []
  /// The part of each phase spent in calls of MPI.
  private var waits: [PhaseTime] = []
  /// The same by call.
  private var calls: [String: Double] = [:]
  private var last = ContinuousClock.now
  /// A phase is named when it ends, and is to be published when it begins.
  private let order: [StepPhase]

  /// Begins the first phase of `order`.
  ///
  /// - Parameter step: which step it times.
  init(_ order: [StepPhase] = [], step: Int = 0) {
    self.order = order
    // Earlier waits belong to no phase.
    _ = Activity.takeWaits()
    if let first = order.first { Activity.begin(first.rawValue, step: step) }
  }

  /// Ends the phase that began with the last call, or with the clock.
  mutating func mark(_ phase: StepPhase) {
    let now = ContinuousClock.now
    seconds.append(PhaseTime(phase: phase.rawValue, seconds: (now - last) / .seconds(1)))
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
