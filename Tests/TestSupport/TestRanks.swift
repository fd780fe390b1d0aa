import Distributed

/// The ranks the tests run on: those of `mpirun`, or one. MPI is started once for the process.
public enum TestRanks {
  nonisolated(unsafe) public static let world: Communicator = {
    do { return try MPIEnvironment.start() } catch { fatalError("\(error)") }
  }()
}
