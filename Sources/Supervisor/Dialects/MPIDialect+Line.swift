import Foundation

extension MPIDialect {
  /// What a command line says, whatever the dialect.
  struct Request {
    let plan: RankPlan
    let binding: MPIRunLine.Binding
    let oversubscribe: Bool
    /// Whether a host has more threads than cores, so that a waiting rank has to release its core.
    let isCrowded: Bool
    /// The hostfile, to be named where the command line cannot name the hosts.
    let hostfilePath: String
    let mark: String
    /// `NAME=VALUE`, or `NAME` for the value in ``environment``.
    let variables: [String]
    let environment: [String: String]
  }

  /// The words of the line up to the program.
  func words(_ request: Request) -> [String] {
    switch self {
    case .orte: orte(request)
    case .prrte: prrte(request)
    case .hydra: hydra(request)
    }
  }

  /// Why it cannot start ranks on these hosts; nil where it can.
  package func objection(to hosts: [String]) -> String? {
    guard self == .hydra, let host = hosts.first(where: { $0.contains(":") }) else { return nil }
    return "\(host): MPICH's mpirun takes no addresses of IPv6; write the host's name into the hostfile"
  }

  private func orte(_ request: Request) -> [String] {
    var words = start(request)
    if request.oversubscribe { words.append("--oversubscribe") }
    let threads = request.plan.threads
    // A binding that the site has configured takes precedence.
    if request.environment["OMPI_MCA_hwloc_base_binding_policy"] == nil {
      words +=
        request.isBound
        ? ["--map-by", "slot:PE=\(threads)", "--bind-to", "core"] : ["--map-by", "slot", "--bind-to", "none"]
    }
    if request.hasDottedName, request.environment["OMPI_MCA_orte_keep_fqdn_hostnames"] == nil {
      words += ["--mca", "orte_keep_fqdn_hostnames", "1"]
    }
    if request.isCrowded { words += ["--mca", "mpi_yield_when_idle", "1"] }
    return words + daemons(request, option: "--mca") + request.variables.flatMap { ["-x", $0] }
  }

  private func prrte(_ request: Request) -> [String] {
    var words = start(request)
    let slot = "slot" + (request.oversubscribe ? ":OVERSUBSCRIBE" : "")
    let policies = ["PRTE_MCA_hwloc_default_binding_policy", "OMPI_MCA_hwloc_base_binding_policy"]
    if policies.allSatisfy({ request.environment[$0] == nil }) {
      words +=
        request.isBound
        ? ["--map-by", "\(slot):PE=\(request.plan.threads)", "--bind-to", "core"]
        : ["--map-by", slot, "--bind-to", "none"]
    } else if request.oversubscribe {
      words += ["--map-by", slot]
    }
    if request.hasDottedName, request.environment["PRTE_MCA_prte_keep_fqdn_hostnames"] == nil {
      words += ["--prtemca", "prte_keep_fqdn_hostnames", "1"]
    }
    if request.isCrowded { words += ["--mca", "mpi_yield_when_idle", "1"] }
    // Its variables have names of their own; those of Open MPI 4 are kept working.
    if agentVariables.prefix(2).allSatisfy({ request.environment[$0] == nil }) {
      let agent = agentVariables.lazy.compactMap { request.environment[$0] }.first
      if let agent { words += ["--prtemca", "plm_ssh_agent", agent] }
      if request.environment["OMPI_MCA_plm_rsh_no_tree_spawn"] == "1" {
        words += ["--prtemca", "plm_ssh_no_tree_spawn", "1"]
      }
    }
    return words + daemons(request, option: "--prtemca") + request.variables.flatMap { ["-x", $0] }
  }

  private func hydra(_ request: Request) -> [String] {
    var words = ["mpirun", "-n", "\(request.plan.ranks)", "-hosts", request.hosts]
    let policies = ["HYDRA_BINDING", "HYDRA_BIND", "I_MPI_PIN", "I_MPI_PIN_DOMAIN"]
    if policies.allSatisfy({ request.environment[$0] == nil }) {
      words += ["-bind-to", request.isBound ? "core:\(request.plan.threads)" : "none"]
    }
    for variable in request.variables {
      let parts = variable.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let value = parts.count == 2 ? parts[1] : request.environment[parts[0]] else { continue }
      words += ["-genv", parts[0], value]
    }
    return words
  }

  /// What both versions of Open MPI have in common.
  private func start(_ request: Request) -> [String] {
    var words = ["mpirun"]
    if geteuid() == 0 { words.append("--allow-run-as-root") }
    words += ["-n", "\(request.plan.ranks)"]
    // An address of IPv6 has colons of its own.
    return words + (request.hasLongAddress ? ["--hostfile", request.hostfilePath] : ["--host", request.hosts])
  }

  private func daemons(_ request: Request, option: String) -> [String] {
    var words: [String] = []
    // A host that has lost its link is noticed on both sides within 20 s, and its ranks end there by themselves.
    for (name, seconds) in [("time", "10"), ("intvl", "3"), ("probes", "3")] {
      words += [option, "oob_tcp_keepalive_\(name)", seconds]
    }
    // Ranks are to end with the thread that starts them, so that has to be one that lives as long as `mpirun`.
    words += [option, "odls_base_cutoff", "65536"]
    words += [option, Leftovers.parameter, request.mark]
    // The number of the job, which Open MPI's files are named by.
    return words + ["--report-uri", "-"]
  }
}

extension MPIDialect.Request {
  fileprivate var isBound: Bool { binding == .core && !isCrowded }

  fileprivate var hosts: String { plan.shares.map { "\($0.host):\($0.ranks)" }.joined(separator: ",") }

  fileprivate var hasLongAddress: Bool { plan.hosts.contains { $0.contains(":") } }

  /// Whether a host has a name with dots, of which Open MPI would keep what comes before the first.
  fileprivate var hasDottedName: Bool {
    plan.hosts.contains { host in
      var address = in_addr()
      return host.contains(".") && !host.contains(":") && inet_pton(AF_INET, host, &address) != 1
    }
  }
}
