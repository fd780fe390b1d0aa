import Distributed
import Files
import Foundation

/// Looks after the start of MPI, before there is a watchdog: a rank that cannot reach another may wait for ever. A rank
/// of its host says after a minute what it waits for; under a plain `mpirun` rank 0 ends the job when nothing has come
/// of it.
final class StartWatch: Sendable {
  private let done = DispatchSemaphore(value: 0)

  /// Seconds that a start under a plain `mpirun` may take, unless the variable says otherwise.
  private static let patience = 600.0
  private static let variable = "U2PL_START_SECONDS"

  /// - Parameter isLaunched: whether a launch watches over the start.
  init(isLaunched: Bool) {
    let environment = ProcessInfo.processInfo.environment
    let given = environment[Self.variable].flatMap(Double.init).flatMap { $0 > 0 && $0 <= 1e6 ? $0 : nil }
    let end = given ?? Self.patience
    let note = min(60, end / 10)
    let rank = MPIEnvironment.launchedRank ?? 0
    guard MPIEnvironment.isLaunched, rank == 0 else { return }
    if let text = environment[Self.variable], given == nil {
      RankedProcess.show(
        "u2pl: note: \(Self.variable)=\(text) is no number of seconds; it is \(Self.text(end))", isError: true)
    }
    let done = done
    let thread = Thread {
      func isDone(within seconds: Double) -> Bool { done.wait(timeout: .now() + seconds) == .success }
      guard !isDone(within: note) else { return }
      let place = "rank \(rank) on \(MPIEnvironment.host)"
      RankedProcess.show(
        "u2pl: note: \(place) has waited \(Self.text(note)) in the start of MPI: \(NetworkInterfaces.advice)",
        isError: true
      )
      guard !isLaunched, !isDone(within: end - note) else { return }
      RankedProcess.show(
        "u2pl: error: \(place) has not got through the start of MPI in \(Self.text(end)) (\(Self.variable))",
        isError: true)
      usleep(200_000)
      _exit(1)
    }
    thread.name = "start-watch"
    thread.start()
  }

  private static func text(_ seconds: Double) -> String { String(format: "%g s", seconds) }

  /// All ranks have heard of each other.
  func finish() { done.signal() }
}
