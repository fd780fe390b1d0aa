import Foundation

/// How `mpirun` is told what to start and says what has become of it. Each MPI has its own way; what is in this folder is
/// all of the program that knows them.
package enum MPIDialect: Sendable, CaseIterable {
  /// Open MPI 4.
  case orte
  /// Open MPI 5 and later, whose `mpirun` is PRRTE's.
  case prrte
  /// MPICH's, and Intel MPI's.
  case hydra

  /// The MPI whose programs it starts.
  package enum Family: String, Sendable {
    case openMPI = "Open MPI"
    case mpich = "MPICH"
  }

  package var family: Family { self == .hydra ? .mpich : .openMPI }

  /// Of the `mpirun` that is first in PATH.
  ///
  /// - Parameter program: what this program is built for.
  /// - Throws: ``SupervisorError`` where there is none, where it is of no kind that is known, or where the ranks that it
  ///   starts would not see each other.
  package static func ask(_ environment: [String: String], program: Family) throws -> MPIDialect {
    let package = program == .openMPI ? "openmpi-bin" : "mpich"
    let child: ChildProcess
    do { child = try ChildProcess(["mpirun", "--version"], environment: environment) } catch {
      throw SupervisorError("\(error); is \(program.rawValue) installed (\(package)) and mpirun in PATH?")
    }
    var lines: [String] = []
    let limit = ProcessInfo.processInfo.systemUptime + 20
    while child.end == nil, ProcessInfo.processInfo.systemUptime < limit {
      ChildProcess.wait(for: [child], seconds: 0.1)
      child.poll { lines.append($1) }
    }
    guard child.end != nil else {
      child.kill()
      throw SupervisorError("mpirun --version does not answer within 20 s; try it by hand, and see what it waits for")
    }
    let dialect = try MPIDialect(version: lines)
    guard dialect.family == program else {
      throw SupervisorError(
        "mpirun is \(dialect.family.rawValue)'s, and this program is built for \(program.rawValue): each rank would be a "
          + "run of its own; put \(program.rawValue)'s mpirun first in PATH (module avail, which -a mpirun), or build with "
          + "U2PL_MPI=\(dialect.family == .openMPI ? "ompi-c" : "mpich")")
    }
    return dialect
  }

  /// From what `mpirun --version` prints.
  ///
  /// - Throws: ``SupervisorError`` for one that is not known.
  package init(version lines: [String]) throws {
    let text = lines.joined(separator: "\n")
    if let match = text.firstMatch(of: /\(Open ?MPI\) (\d+)\./), let major = Int(match.1), major >= 4 {
      self = major == 4 ? .orte : .prrte
    } else if text.contains(/\bPRRTE\b|\bprterun\b/) {
      self = .prrte
    } else if text.contains("HYDRA build details") || text.contains(/Intel\(R\) MPI Library/) {
      self = .hydra
    } else {
      let said = lines.first { !$0.allSatisfy(\.isWhitespace) }.map { "‘\($0.prefix(60))’" } ?? "nothing"
      throw SupervisorError(
        "mpirun is of no kind that launch knows (mpirun --version says \(said)): put that of Open MPI 4 or 5, MPICH 4 or "
          + "Intel MPI first in PATH, or start the ranks by your own launcher, as in: srun … u2pl train --config FILE")
    }
  }

  /// Variables that name the program by which other hosts are reached, in place of ssh; the first that is set counts.
  var agentVariables: [String] {
    let openMPI = ["OMPI_MCA_plm_rsh_agent", "OMPI_MCA_orte_rsh_agent", "OMPI_MCA_pls_rsh_agent"]
    return switch self {
    case .orte: openMPI
    case .prrte: ["PRTE_MCA_plm_ssh_agent", "PRTE_MCA_prte_ssh_agent"] + openMPI
    case .hydra: ["HYDRA_LAUNCHER_EXEC"]
    }
  }

  /// Variables with further words for that program, such as `-p 2222`.
  var agentArgumentVariables: [String] {
    switch self {
    case .orte: ["OMPI_MCA_plm_rsh_args"]
    case .prrte: ["PRTE_MCA_plm_ssh_args", "OMPI_MCA_plm_rsh_args"]
    case .hydra: ["HYDRA_LAUNCHER_EXTRA_ARGS"]
    }
  }

  /// Files in which a user or an administrator sets parameters, and the names there of the program and its words.
  var parameterFiles: (paths: [String], agent: String, arguments: String)? {
    let home = NSHomeDirectory()
    return switch self {
    case .orte:
      (
        [home + "/.openmpi/mca-params.conf", "/etc/openmpi/openmpi-mca-params.conf"], "plm_rsh_agent", "plm_rsh_args"
      )
    case .prrte:
      ([home + "/.prte/mca-params.conf", "/etc/prte-mca-params.conf"], "plm_ssh_agent", "plm_ssh_args")
    case .hydra: nil
    }
  }
}
