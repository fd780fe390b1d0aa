import Dispatch

/// Where the time of a step goes on this rank, in seconds by phase.
struct PhaseClock {
  private(set) var seconds: [(phase: String, seconds: Double)] = []
  private var last = DispatchTime.now().uptimeNanoseconds

  /// Ends the phase that began with the last call, or with the clock.
  mutating func mark(_ phase: String) {
    let now = DispatchTime.now().uptimeNanoseconds
    let elapsed = Double(now - last) * 1e-9
    last = now
    if let i = seconds.firstIndex(where: { $0.phase == phase }) {
      seconds[i].seconds += elapsed
    } else {
      seconds.append((phase, elapsed))
    }
  }

  var total: Double { seconds.reduce(0) { $0 + $1.seconds } }
}
