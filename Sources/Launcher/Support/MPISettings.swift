import Distributed
import Files
import Foundation

/// Settings of Open MPI that depend on the host, made before it starts. What the user has set goes before. MPICH needs none
/// of them.
enum MPISettings {
  /// - Parameter threads: of a rank, as configured.
  /// - Returns: whether the ranks of this host can share memory.
  static func apply(threads: Int?, _ numbers: ProcessNumbers) -> Bool {
    let environment = ProcessInfo.processInfo.environment
    guard MPIEnvironment.family == .openMPI,
      environment["OMPI_COMM_WORLD_SIZE"] ?? environment["PMIX_RANK"] != nil
    else { return true }
    if Crowding.isCrowdedHere(threads: threads) { set("mpi_yield_when_idle", "1") }
    let bridges = NetworkInterfaces.ofContainers
    if !bridges.isEmpty, !["include", "exclude"].contains(where: { isSet("btl_tcp_if_\($0)") }) {
      set("btl_tcp_if_exclude", (["127.0.0.0/8", "sppp"] + bridges).joined(separator: ","))
    }
    guard numbers.collide() else { return true }
    set("btl", "self,tcp")
    return false
  }

  private static func set(_ name: String, _ value: String) { setenv("OMPI_MCA_\(name)", value, 0) }

  /// Whether the user or the administrator has set a parameter.
  private static func isSet(_ name: String) -> Bool {
    if ProcessInfo.processInfo.environment["OMPI_MCA_\(name)"] != nil { return true }
    return [NSHomeDirectory() + "/.openmpi/mca-params.conf", "/etc/openmpi/openmpi-mca-params.conf"].contains { path in
      let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      return text.split(separator: "\n").contains {
        $0.split(separator: "=").first?.trimmingCharacters(in: .whitespaces) == name
      }
    }
  }
}
