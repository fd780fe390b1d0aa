import Dispatch
import Distributed

/// Where the time of a step goes on this rank, in seconds by phase; publishes the phase it is in.
struct PhaseClock {
  /// The order in which a step ends its phases: a phase is named when it ends, and is to be published when it begins.
  static let supervised = ["data", "student forward", "pixel losses", "backward", "gradient exchange", "update"]
  static let semiSupervised = [
    "data", "weak view", "mix", "student forward", "teacher forward", "pixel losses", "contrastive loss", "backward",
    "gradient exchange", "update",
  ]

  private(set) var seconds: [(phase: String, seconds: Double)] = []
  /// The part of each phase spent in calls of MPI.
  private(set) var waits: [(phase: String, seconds: Double)] = []
  /// The same by call.
  private(set) var calls: [String: Double] = [:]
  private var last = DispatchTime.now().uptimeNanoseconds
  private let order: [String]

  /// Begins the first phase of `order`.
  ///
  /// - Parameter step: which step it times.
  init(_ order: [String] = [], step: Int = 0) {
    self.order = order
    // What was waited for before it is nobody's.
    _ = Activity.takeWaits()
    if let first = order.first { Activity.begin(first, step: step) }
  }

  /// Ends the phase that began with the last call, or with the clock.
  mutating func mark(_ phase: String) {
    let now = DispatchTime.now().uptimeNanoseconds
    let elapsed = Double(now - last) * 1e-9
    last = now
    let calls = Activity.takeWaits()
    PhaseClock.add(phase, elapsed, to: &seconds)
    PhaseClock.add(phase, calls.reduce(0) { $0 + $1.seconds }, to: &waits)
    for (call, elapsed) in calls { self.calls[call, default: 0] += elapsed }
    guard let i = order.firstIndex(of: phase), i + 1 < order.count else { return Activity.begin("after \(phase)") }
    Activity.begin(order[i + 1])
  }

  private static func add(_ phase: String, _ elapsed: Double, to list: inout [(phase: String, seconds: Double)]) {
    if let i = list.firstIndex(where: { $0.phase == phase }) {
      list[i].seconds += elapsed
    } else {
      list.append((phase, elapsed))
    }
  }
}
