import Foundation

/// Keeps pictures to a small share of a run's time, on rank 0: they are made at each evaluation at which that share has
/// room for them, and at the last one.
package struct PictureBudget {
  /// Of the time since the run has started.
  package static let share = 0.002

  private let start: Double
  /// Seconds that pictures have taken.
  package private(set) var spent = 0.0
  private var lastCost: Double?

  package init(now: Double = ProcessInfo.processInfo.systemUptime) { start = now }

  /// - Parameters:
  ///   - estimate: seconds that they are expected to take; counts until the first have been made.
  ///   - isLast: whether no evaluation follows.
  package func allows(estimate: Double, isLast: Bool, now: Double = ProcessInfo.processInfo.systemUptime) -> Bool {
    isLast || spent + (lastCost ?? estimate) <= Self.share * (now - start)
  }

  package mutating func spend(_ seconds: Double) {
    spent += seconds
    lastCost = seconds
  }
}
