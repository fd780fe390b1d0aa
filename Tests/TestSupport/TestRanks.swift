import Distributed
import Foundation

/// The ranks the tests run on: those of `mpirun`, or one. MPI is started once for the process, and ended when it exits:
/// `mpirun` reports a rank that does not end it as failed.
public enum TestRanks {
  nonisolated(unsafe) public static let world: Communicator = {
    do {
      let world = try MPIEnvironment.start()
      atexit { MPIEnvironment.finish() }
      return world
    } catch {
      fatalError("\(error)")
    }
  }()
}
