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

  /// Of the `mpirun` that will read it.
  let dialect: MPIDialect
  let plan: RankPlan
  /// Of the hosts of the plan.
  let facts: [String: HostFacts]
  let binding: Binding
  let oversubscribe: Bool
  /// Runs side by side, which share the hosts' cores.
  let sharers: Int
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
    dialect: MPIDialect, plan: RankPlan, facts: [String: HostFacts], binding: Binding, oversubscribe: Bool,
    sharers: Int = 1, mark: String, instructions: HostFacts.Instructions?, hostfilePath: String, program: [String],
    environment: [String: String], passed: [String]
  ) {
    self.dialect = dialect
    self.plan = plan
    self.facts = facts
    self.binding = binding
    self.oversubscribe = oversubscribe
    self.sharers = sharers
    self.mark = mark
    self.instructions = instructions
    self.hostfilePath = hostfilePath
    self.program = program
    self.environment = environment
    self.passed = passed
  }

  /// Whether a host has more threads than cores, so that a waiting rank has to release its core.
  private var isCrowded: Bool {
    plan.shares.contains { $0.ranks * plan.threads > (facts[$0.host]?.cores ?? 0) / sharers }
  }

  /// The contents of the file at ``hostfilePath``, where one is needed.
  package var hostfile: String? {
    plan.hosts.contains { $0.contains(":") } ? plan.shares.map { "\($0.host) slots=\($0.ranks)\n" }.joined() : nil
  }

  package var words: [String] {
    dialect.words(
      .init(
        plan: plan, binding: binding, oversubscribe: oversubscribe, isCrowded: isCrowded, hostfilePath: hostfilePath,
        mark: mark, variables: variables, environment: environment)) + program
  }

  /// As one would type it.
  package var text: String { words.map(Self.quoted).joined(separator: " ") }

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
