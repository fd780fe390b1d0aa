import Foundation
import RunLogs

/// The command line that starts an attempt's ranks.
package struct MPIRunLine {
  /// How ranks are tied to cores.
  package enum Binding: Sendable {
    /// Each rank to as many cores of its own as it has threads, where there are enough.
    case core
    case none
  }

  let plan: RankPlan
  /// Of the hosts of the plan.
  let facts: [String: HostFacts]
  let binding: Binding
  let oversubscribe: Bool
  /// The mark of this run's processes; see ``Leftovers``.
  let mark: String
  /// The kernels that all ranks compute with; nil leaves the choice to each host.
  let instructions: HostFacts.Instructions?
  /// The hostfile, written where a command line cannot name the hosts.
  let hostfilePath: String
  /// `u2pl` and its arguments.
  let program: [String]
  /// That of this process: `mpirun` inherits it, other hosts do not.
  let environment: [String: String]
  /// Further variables to pass on, `NAME` or `NAME=VALUE`.
  let passed: [String]
  /// The channel of the ranks' events; nil where no one reads them.
  package var channel: EventChannel?

  package init(
    plan: RankPlan, facts: [String: HostFacts], binding: Binding, oversubscribe: Bool, mark: String,
    instructions: HostFacts.Instructions?, hostfilePath: String, program: [String], environment: [String: String],
    passed: [String]
  ) {
    self.plan = plan
    self.facts = facts
    self.binding = binding
    self.oversubscribe = oversubscribe
    self.mark = mark
    self.instructions = instructions
    self.hostfilePath = hostfilePath
    self.program = program
    self.environment = environment
    self.passed = passed
  }

  /// Whether a host has more threads than cores, so that a waiting rank has to release its core.
  private var isCrowded: Bool { plan.shares.contains { $0.ranks * plan.threads > facts[$0.host]?.cores ?? 0 } }

  private var hasLongAddress: Bool { plan.hosts.contains { $0.contains(":") } }

  /// Whether a host has a name with dots, of which Open MPI would keep what comes before the first.
  private var hasDottedName: Bool {
    plan.hosts.contains { host in
      var address = in_addr()
      return host.contains(".") && !host.contains(":") && inet_pton(AF_INET, host, &address) != 1
    }
  }

  /// The contents of the file at ``hostfilePath``, where one is needed.
  package var hostfile: String? {
    hasLongAddress ? plan.shares.map { "\($0.host) slots=\($0.ranks)\n" }.joined() : nil
  }

  package var words: [String] {
    var words = ["mpirun"]
    if geteuid() == 0 { words.append("--allow-run-as-root") }
    words += ["-n", "\(plan.ranks)"]
    // An address of IPv6 has colons of its own.
    words +=
      hasLongAddress
      ? ["--hostfile", hostfilePath] : ["--host", plan.shares.map { "\($0.host):\($0.ranks)" }.joined(separator: ",")]
    if oversubscribe { words.append("--oversubscribe") }
    // A binding that the site has configured takes precedence.
    if !environment.keys.contains("OMPI_MCA_hwloc_base_binding_policy") {
      words +=
        binding == .core && !isCrowded
        ? ["--map-by", "slot:PE=\(plan.threads)", "--bind-to", "core"] : ["--map-by", "slot", "--bind-to", "none"]
    }
    if hasDottedName, !environment.keys.contains("OMPI_MCA_orte_keep_fqdn_hostnames") {
      words += parameter("orte_keep_fqdn_hostnames", "1")
    }
    if isCrowded { words += parameter("mpi_yield_when_idle", "1") }
    // A host that has lost its link is noticed on both sides within 20 s, and its ranks end there by themselves.
    for (name, seconds) in [("time", "10"), ("intvl", "3"), ("probes", "3")] {
      words += parameter("oob_tcp_keepalive_\(name)", seconds)
    }
    // Ranks are to end with the thread that starts them, so that has to be one that lives as long as `mpirun`.
    words += parameter("odls_base_cutoff", "65536")
    words += parameter(Leftovers.parameter, mark)
    // The number of the job, which Open MPI's files are named by.
    words += ["--report-uri", "-"]
    for variable in variables { words += ["-x", variable] }
    return words + program
  }

  /// As one would type it.
  package var text: String { words.map(Self.quoted).joined(separator: " ") }

  private func parameter(_ name: String, _ value: String) -> [String] { ["--mca", name, value] }

  /// What the ranks get on every host.
  private var variables: [String] {
    var variables = ["\(Leftovers.variable)=\(mark)"] + (channel?.variables ?? [])
    let own = [Leftovers.variable, EventChannel.attemptVariable, EventChannel.pathVariable]
    let given = Set(passed.map { String($0.prefix { $0 != "=" }) })
    func isOpen(_ name: String) -> Bool { environment[name] == nil && !given.contains(name) }
    // Left to each host, OpenBLAS and oneDNN would choose by its own CPU, and other kernels compute other bits.
    if let instructions, isOpen("OPENBLAS_CORETYPE"), instructions != .base {
      variables.append("OPENBLAS_CORETYPE=\(instructions == .avx512 ? "SkylakeX" : "Haswell")")
    }
    // Also where all hosts of this attempt are alike: an earlier one may have had others, and the bits are to stay.
    if instructions == .avx2, isOpen("DNNL_MAX_CPU_ISA") { variables.append("DNNL_MAX_CPU_ISA=AVX2") }
    let families = ["OPENBLAS_", "DNNL_", "ONEDNN_", "OMP_", "GOMP_", "HDF5_", "MALLOC_", "U2PL_"]
    variables += environment.keys.sorted().filter { name in
      (name == "LD_LIBRARY_PATH" || families.contains { name.hasPrefix($0) }) && !own.contains(name)
        && !given.contains(name)
    }
    return variables + passed
  }

  static func quoted(_ word: String) -> String {
    let plain = word.utf8.allSatisfy {
      ($0 >= 48 && $0 <= 57) || ($0 >= 65 && $0 <= 90) || ($0 >= 97 && $0 <= 122) || "-_=+:,./@%".utf8.contains($0)
    }
    return plain && !word.isEmpty ? word : "'\(word.replacingOccurrences(of: "'", with: "'\\''"))'"
  }
}
