internal import CMPI
import Foundation

/// The implementations of MPI whose binary interfaces this program can be compiled for.
public enum MPIFamily: CustomStringConvertible, Sendable {
  case openMPI
  /// MPICH, and those that share its binary interface: Intel MPI, Cray MPICH, MVAPICH.
  case mpich

  public var description: String { self == .openMPI ? "Open MPI" : "MPICH" }
}

/// Starting and ending MPI in this process.
public enum MPIEnvironment {
  /// What this program is compiled for.
  public static var family: MPIFamily { u2pl_is_mpich() == 0 ? .openMPI : .mpich }

  /// This process's rank, as the launcher's environment says before MPI has started; nil where it does not.
  public static var launchedRank: Int? {
    let environment = ProcessInfo.processInfo.environment
    let names = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"]
    return names.lazy.compactMap { environment[$0] }.first.flatMap { Int($0) }
  }

  /// Whether a launcher (`mpirun`, `srun`) has started this process, by its environment.
  ///
  /// A process started by hand does not start MPI: as a singleton it would fork a daemon to no purpose.
  public static var isLaunched: Bool {
    let environment = ProcessInfo.processInfo.environment
    return ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"].contains { environment[$0] != nil }
  }

  /// Initialises MPI if a launcher started this process, and returns the communicator of all its ranks, or of this
  /// process alone.
  ///
  /// To be called once, on the one thread that will talk to MPI (`MPI_THREAD_FUNNELED`, MPI 3.1 section 12.4.3).
  ///
  /// - Parameter sharesMemory: whether the ranks of this host can share memory; see ``sharesMemory``.
  /// - Throws: ``MPIError``.
  public static func start(sharesMemory: Bool = true) throws -> Communicator {
    guard isLaunched else { return Communicator.alone }
    var initialized: Int32 = 0
    try check(MPI_Initialized(&initialized), "MPI_Initialized")
    if initialized == 0 {
      var provided: Int32 = 0
      try check(MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided), "MPI_Init_thread")
      try check(MPI_Comm_set_errhandler(u2pl_comm_world(), u2pl_errors_return()), "MPI_Comm_set_errhandler")
    }
    // A first message to all also shows that they reach each other: MPI_Init alone opens no connection.
    let first = try Communicator(borrowing: u2pl_comm_world()).minimum([sharesMemory ? 1 : 0])
    self.sharesMemory = first[0] == 1
    return try Communicator(borrowing: u2pl_comm_world())
  }

  /// Whether ranks of a host can share memory, and see each other's processes: not where each has process numbers of
  /// its own. Each rank then counts as a node, on every host.
  public private(set) nonisolated(unsafe) static var sharesMemory = true

  /// Ends MPI in an orderly way; every rank has to come here (MPI 3.1 section 8.7). Does nothing where it is not
  /// running.
  public static func finish() {
    var initialized: Int32 = 0
    var finalized: Int32 = 0
    MPI_Initialized(&initialized)
    MPI_Finalized(&finalized)
    if initialized != 0, finalized == 0 { MPI_Finalize() }
  }

  /// The name and version of the MPI implementation, such as `Open MPI v4.1.4`; nil where it is not running.
  /// Corresponds to `MPI_Get_library_version`.
  public static var implementation: String? {
    var initialized: Int32 = 0
    MPI_Initialized(&initialized)
    guard initialized != 0 else { return nil }
    var length: Int32 = 0
    let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_LIBRARY_VERSION_STRING) + 1) {
      $0.initialize(repeating: 0)
      MPI_Get_library_version($0.baseAddress!, &length)
      return String(cString: $0.baseAddress!)
    }
    return text.split(whereSeparator: { $0 == "," || $0.isNewline }).first.map(String.init)
  }

  /// Whether ranks that wait let go of their cores, as the library has it; nil where it does not say.
  public static var yields: Bool? {
    let value = u2pl_yields()
    return value < 0 ? nil : value > 0
  }

  /// The name of this host.
  public static var host: String { ProcessInfo.processInfo.hostName }
}
