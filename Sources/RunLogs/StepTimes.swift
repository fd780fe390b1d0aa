/// Seconds of one phase of a step.
public struct PhaseTime: Sendable, Equatable {
  public let phase: String
  public let seconds: Double

  public init(phase: String, seconds: Double) {
    self.phase = phase
    self.seconds = seconds
  }
}

/// The times of one step on one rank.
public struct StepTimes: Sendable, Equatable {
  public let seconds: Double
  public let phases: [PhaseTime]
  /// The part of each phase that was spent in collectives, waiting for other ranks; nil in logs of versions that did
  /// not measure it.
  public let waits: [PhaseTime]?
  /// The same by call of MPI.
  public let calls: [String: Double]

  public init(seconds: Double, phases: [PhaseTime], waits: [PhaseTime]?, calls: [String: Double] = [:]) {
    self.seconds = seconds
    self.phases = phases
    self.waits = waits
    self.calls = calls
  }

  /// Seconds of a phase, 0 where the step has none of this name.
  public func seconds(of phase: String) -> Double { phases.reduce(0) { $0 + ($1.phase == phase ? $1.seconds : 0) } }
}
