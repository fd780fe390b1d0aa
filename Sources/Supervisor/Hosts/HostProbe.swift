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

  /// Prints `u2pl-host`, the processors allowed, all processors, the distinct cores, the thousandths of a core that
  /// control groups allow (0 for any number), and the instructions.
  package static let script = script(root: "")

  /// - Parameter root: goes before the paths of control groups; for tests.
  package static func script(root: String) -> String {
    "f=\" $(grep -m1 ^flags /proc/cpuinfo) \"; i=base; case \"$f\" in *\" avx2 \"*) i=avx2;; esac; "
      + "case \"$f\" in *\" avx512f avx512dq \"*\" avx512bw avx512vl \"*) i=avx512;; esac; " + quotas(root)
      + "echo u2pl-host $(env -u OMP_NUM_THREADS nproc) $(nproc --all) "
      + "$(cat /sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list | sort -u | grep -c .) $q $i"
  }

  /// Sets `q` to the least quota of all levels, as `ControlGroups` of the module Files finds it.
  private static func quotas(_ root: String) -> String {
    let before = "s/^[^ ]* [^ ]* [^ ]* \\([^ ]*\\) \\([^ ]*\\) .* - "
    return "q=0; while IFS=: read -r n c p; do case \",$c,\" in \",,\") t=\"cgroup2 .*\";; "
      + "*,cpu,*) t=\"cgroup [^ ]* \\(.*,\\)\\{0,1\\}cpu\\(,.*\\)\\{0,1\\}\";; *) continue;; esac; "
      + "set -- $(sed -n \"\(before)$t\\$/\\1 \\2/p\" \(root)/proc/self/mountinfo | tail -n 1); "
      + "[ $# = 2 ] || continue; "
      + "[ \"$1\" = / ] || p=${p#\"$1\"}; case $p in *..*) p=;; esac; "
      + "while :; do p=${p%/}; d=\(root)$2$p; a=max; b=1; "
      + "if [ -r \"$d/cpu.max\" ]; then read -r a b < \"$d/cpu.max\"; "
      + "elif [ -r \"$d/cpu.cfs_quota_us\" ]; then "
      + "read -r a < \"$d/cpu.cfs_quota_us\"; read -r b < \"$d/cpu.cfs_period_us\"; fi; "
      + "case $a in *[!0-9]*|\"\"|0) ;; *) k=$((a*1000/b)); if [ $q = 0 ] || [ $k -lt $q ]; then q=$k; fi;; esac; "
      + "[ -n \"$p\" ] || break; p=${p%/*}; done; done < \(root)/proc/self/cgroup; "
  }

  /// Reads the output of ``script``; a login shell may have printed something before it.
  package init?(_ output: [String]) {
    guard let line = output.last(where: { $0.hasPrefix("u2pl-host ") }) else { return nil }
    let words = line.split(separator: " ").map(String.init)
    let numbers = words.dropFirst().compactMap { Int($0) }
    guard numbers.count >= 2, let allowed = numbers.first, allowed > 0, let name = words.last else { return nil }
    // Hardware threads share a core; where only some may be used, so may their share of the cores.
    let all = max(numbers[1], allowed)
    let physical = numbers.count > 2 && numbers[2] > 0 ? min(numbers[2], all) : all
    let quota = numbers.count > 3 && numbers[3] > 0 ? (numbers[3] + 999) / 1000 : Int.max
    cores = max(1, min(allowed * physical / all, quota))
    instructions = name == "avx512" ? .avx512 : name == "avx2" ? .avx2 : .base
  }
}
