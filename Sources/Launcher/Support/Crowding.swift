import Compute
import Files
import Foundation

/// Whether the ranks of a host have more threads than cores, as far as it can be told before MPI starts: a rank that
/// waits must then let go of its core, and MPI is told so only as it starts.
enum Crowding {
  /// - Parameters:
  ///   - threads: of a rank; nil where they are chosen by the cores there are.
  ///   - bound: the number of cores that this rank is bound to; nil where it is not bound.
  ///   - cores: cores of the host that ranks may run on.
  ///   - quota: cores' worth of time that control groups allow.
  static func isCrowded(
    _ environment: [String: String], threads: Int?, bound: Int?, cores: Int, quota: Double?
  ) -> Bool {
    guard let ranks = ranks(environment), ranks > 1 else { return false }
    // Bound ranks have cores of their own each, or share those of a socket.
    let room = min(bound.map { $0 * ranks } ?? cores, cores)
    return Double(ranks * (threads ?? 1)) > min(Double(room), quota.map { $0.rounded(.up) } ?? .infinity)
  }

  /// The ranks on this host.
  private static func ranks(_ environment: [String: String]) -> Int? {
    // Of Open MPI's mpirun, and of Hydra.
    for name in ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"] {
      if let text = environment[name] { return Int(text) }
    }
    // Of Slurm: 4, or 4(x2) or 4(x2),3; without PMIx it does not matter.
    guard environment["PMIX_RANK"] != nil else { return nil }
    return environment["SLURM_STEP_TASKS_PER_NODE"].flatMap { Int($0.prefix { $0.isNumber }) }
  }

  /// Of this process.
  static func isCrowdedHere(threads: Int?) -> Bool {
    let binding = BoundCores().binding(of: "self")
    let mask = ThreadPool.affinity?.reduce(0) { $0 + $1.nonzeroBitCount }
    return isCrowded(
      ProcessInfo.processInfo.environment, threads: threads, bound: binding?.cores.count,
      cores: max(1, binding?.wider.count ?? mask ?? ProcessInfo.processInfo.processorCount),
      quota: ControlGroups().cores?.value)
  }
}
