/// What an attempt may have left on a host: running ranks and daemons of `mpirun`, and Open MPI's files.
///
/// A rank of an earlier attempt that still runs would write into the same run directory. So all processes carry the
/// run's mark: ranks in their environment, daemons on their command lines.
package enum Leftovers {
  package static let variable = "U2PL_LAUNCH"
  /// A parameter without a meaning. Open MPI hands every parameter on to its daemons.
  static let parameter = "u2pl_launch"

  /// Ends the marked processes, removes the files of these attempts that no process uses, and prints `u2pl-left` with
  /// the ids of the processes that cannot be ended.
  ///
  /// The brackets keep the script from finding itself by its own command line.
  package static func script(mark: String, jobs: [MPIJob]) -> String {
    let pattern = "[\(mark.prefix(1))]\(mark.dropFirst())"
    return "n=0; while :; do l=; for f in $(grep -las \(pattern) /proc/[0-9]*/environ /proc/[0-9]*/cmdline); do "
      + "p=${f#/proc/}; p=${p%%/*}; kill -9 $p 2>/dev/null; l=\"$l $p\"; done; "
      + "n=$((n+1)); if [ -z \"$l\" ] || [ $n -ge 50 ]; then break; fi; sleep 0.1; done; "
      + jobs.map(\.removal).joined() + "echo u2pl-left $l"
  }

  /// Prints `u2pl-ranks` with the number of marked ranks on a host.
  package static func rankCount(mark: String) -> String {
    "echo u2pl-ranks $(grep -las [\(mark.prefix(1))]\(mark.dropFirst()) /proc/[0-9]*/environ | wc -l)"
  }

  /// What ``rankCount(mark:)`` has printed, nil where the host has not reported.
  package static func parseRankCount(_ output: [String]) -> Int? {
    output.last { $0.hasPrefix("u2pl-ranks ") }.flatMap { Int($0.dropFirst("u2pl-ranks ".count)) }
  }

  /// The processes that could not be ended, nil where the host has not reported.
  package static func parse(_ output: [String]) -> [String]? {
    output.last { $0.hasPrefix("u2pl-left") }?.split(separator: " ").dropFirst().map(String.init)
  }

  /// Letters and digits that stand for a run directory: the same for every launch of the run, so that it also finds
  /// what a launch that was killed has left.
  package static func mark(of directory: String) -> String {
    // FNV-1a, 64 bits.
    let hash = directory.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return "u2plrun\(String(hash, radix: 16))"
  }
}
