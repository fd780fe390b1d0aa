/// The facts that a host reports about itself.
package struct HostFacts: Equatable, Sendable {
  /// Vector instructions, by which the numeric libraries choose their kernels, on which the bits depend.
  package enum Instructions: Int, CaseIterable, Comparable, Sendable {
    case base, avx2, avx512
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  /// Physical cores that programs may use there.
  package let cores: Int
  package let instructions: Instructions

  package init(cores: Int, instructions: Instructions) {
    self.cores = cores
    self.instructions = instructions
  }

  /// Prints `u2pl-host`, the processors allowed, all processors, the distinct cores, and the instructions.
  package static let script =
    "f=\" $(grep -m1 ^flags /proc/cpuinfo) \"; i=base; case \"$f\" in *\" avx2 \"*) i=avx2;; esac; "
    + "case \"$f\" in *\" avx512f avx512dq \"*\" avx512bw avx512vl \"*) i=avx512;; esac; "
    + "echo u2pl-host $(env -u OMP_NUM_THREADS nproc) $(nproc --all) "
    + "$(cat /sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list | sort -u | grep -c .) $i"

  /// Reads the output of ``script``; a login shell may have printed something before it.
  package init?(_ output: [String]) {
    guard let line = output.last(where: { $0.hasPrefix("u2pl-host ") }) else { return nil }
    let words = line.split(separator: " ").map(String.init)
    let numbers = words.dropFirst().compactMap { Int($0) }
    guard numbers.count >= 2, let allowed = numbers.first, allowed > 0, let name = words.last else { return nil }
    // Hardware threads share a core; where only some may be used, so may their share of the cores.
    let all = max(numbers[1], allowed)
    let physical = numbers.count > 2 && numbers[2] > 0 ? min(numbers[2], all) : all
    cores = max(1, allowed * physical / all)
    instructions = name == "avx512" ? .avx512 : name == "avx2" ? .avx2 : .base
  }
}
