import Distributed
import Files
import Foundation

/// Looks after the start of MPI, before there is a watchdog: a rank that cannot reach another may wait for ever. A rank
/// of its host says after a minute what it waits for; under a plain `mpirun` rank 0 ends the job when nothing has come
/// of it.
final class StartWatch: Sendable {
  private let done = DispatchSemaphore(value: 0)

  /// - Parameters:
  ///   - isLaunched: whether a launch watches over the start.
  ///   - note: seconds until the note.
  ///   - end: seconds until the end.
  init(isLaunched: Bool, note: Double = 60, end: Double = 600) {
    let environment = ProcessInfo.processInfo.environment
    let rank = environment["OMPI_COMM_WORLD_RANK"] ?? environment["PMIX_RANK"] ?? "0"
    guard MPIEnvironment.isLaunched, rank == "0" else { return }
    let done = done
    let thread = Thread {
      func isDone(within seconds: Double) -> Bool { done.wait(timeout: .now() + seconds) == .success }
      guard !isDone(within: note) else { return }
      let place = "rank \(rank) on \(MPIEnvironment.host)"
      RankedProcess.show(
        "u2pl: note: \(place) has waited \(Int(note)) s in the start of MPI: \(NetworkInterfaces.advice)", isError: true
      )
      guard !isLaunched, !isDone(within: end - note) else { return }
      RankedProcess.show("u2pl: error: \(place) has not got through the start of MPI in \(Int(end)) s", isError: true)
      usleep(200_000)
      _exit(1)
    }
    thread.name = "start-watch"
    thread.start()
  }

  /// All ranks have heard of each other.
  func finish() { done.signal() }
}
