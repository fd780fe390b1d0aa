import Foundation

/// The messages of `mpirun` about its ranks: as Open MPI 4.1 and 5 word them, in boxes of dashed lines among the ranks'
/// messages; and as MPICH's Hydra does, in a box of double lines and in lines that begin with the name of one of its
/// programs.
package struct MPIRunReport {
  /// The rank that a signal has ended, where it is known, its host, and the signal.
  package private(set) var killed: (rank: Int?, host: String, signal: Int32)?
  /// The first rank that gave up by itself, and its exit code.
  package private(set) var exited: (rank: Int, code: Int32)?
  /// The first host whose daemon is gone.
  package private(set) var lostHost: String?
  /// The last line on standard error that is not `mpirun`'s: the reason for a rank's end where no event tells it.
  package private(set) var lastLine: String?
  /// The first line of a box that is not about ranks, such as a program that is missing.
  package private(set) var complaint: String?

  private var box: [String]?
  /// The host that Hydra's box names.
  private var badHost: String?

  package init() {}

  /// Whether a message means that the attempt has ended or is about to end.
  package var isFailure: Bool { killed != nil || exited != nil || lostHost != nil }

  /// Takes a line of `mpirun`'s errors. Returns those to show: a rank's own, and boxes that are no news about ranks.
  package mutating func add(_ line: String) -> [String] {
    if isRule(line) {
      guard let lines = box else {
        box = []
        return []
      }
      box = nil
      return close(lines)
    }
    if box != nil {
      box!.append(line)
      // Lines of a rank and of a box have been mixed up.
      return box!.count > 60 ? finish() : []
    }
    if let shown = addHydra(line) { return shown }
    // Open MPI prints these after a harmless race, and after orders of the launch itself.
    if line.contains("plm:rsh: Warning: setpgid") || line.hasPrefix("mpirun: Forwarding signal ")
      || line.hasPrefix("prterun: Forwarding signal ") || line.hasPrefix("hwloc/linux: ")
    {
      return []
    }
    if !line.allSatisfy(\.isWhitespace) { lastLine = line }
    return [line]
  }

  /// Whether a line of the output is a message of Hydra's, which prints some of them there; takes it if so.
  package mutating func takes(output line: String) -> Bool { addHydra(line)?.isEmpty ?? false }

  /// A box that has not been closed.
  package mutating func finish() -> [String] {
    guard let lines = box else { return [] }
    box = nil
    return close(lines)
  }

  /// Takes a line of Hydra's. Returns what to show of it, nil where it is none.
  private mutating func addHydra(_ line: String) -> [String]? {
    if line.hasPrefix("=") {
      if line.count > 60, line.allSatisfy({ $0 == "=" }) { return [] }
      guard line.hasPrefix("=   ") else { return nil }
      if let match = line.firstMatch(of: /PID \d+ RUNNING AT (\S+)/) { badHost = String(match.1) }
      return []
    }
    if let match = line.wholeMatch(of: /YOUR APPLICATION TERMINATED WITH THE EXIT STRING: .*\(signal (\d+)\).*/) {
      if killed == nil, exited == nil, let signal = Int32(match.1) {
        killed = (nil, badHost ?? ProcessInfo.processInfo.hostName, signal)
      }
      return []
    }
    if let match = line.firstMatch(of: /application called MPI_Abort\(.*, (-?\d+)\) - process (\d+)/) {
      if exited == nil, let code = Int32(match.1), let rank = Int(match.2) { exited = (rank, code) }
      return []
    }
    if line.contains(/^\[(mpiexec|proxy:\d+:\d+)@\S+\]/) {
      if complaint == nil { complaint = line }
      return [line]
    }
    return Self.hydraAdvice.contains(line) ? [] : nil
  }

  private static let hydraAdvice: Set = [
    "This typically refers to a problem with your application.", "Please see the FAQ page for debugging suggestions",
  ]

  private func isRule(_ line: String) -> Bool { line.count > 60 && line.allSatisfy { $0 == "-" } }

  private mutating func close(_ lines: [String]) -> [String] {
    let text = lines.joined(separator: " ").split(separator: " ").joined(separator: " ")
    if let match = text.firstMatch(of: /noticed that process rank (\d+) .*?on node (\S+) exited on signal (\d+)/) {
      if killed == nil, let rank = Int(match.1), let signal = Int32(match.3) {
        killed = (rank, String(match.2), signal)
      }
    } else if let match = text.firstMatch(
      of: /MPI_ABORT was invoked on rank (\d+) .*?(?:with errorcode|Errorcode:) (-?\d+)/)
    {
      if exited == nil, let rank = Int(match.1), let code = Int32(match.2) { exited = (rank, code) }
    } else if let match = text.firstMatch(of: /Process name: \[(?:\[\d+,\d+\]|[^ \[\]]+@\d+),(\d+)\] Exit code: (\d+)/)
    {
      if exited == nil, let rank = Int(match.1), let code = Int32(match.2) { exited = (rank, code) }
    } else if let match = text.firstMatch(of: /Remote daemon: \[(?:\[\d+,\d+\]|[^ \[\]]+@\d+),\d+\] on node (\S+)/) {
      if lostHost == nil { lostHost = String(match.1) }
    } else if !Self.known.contains(where: text.contains) {
      if complaint == nil { complaint = lines.first { !$0.allSatisfy(\.isWhitespace) } }
      return lines
    }
    return []
  }

  /// Whether a message only repeats a failure that is known already.
  private static let known = [
    "Primary job terminated normally", "MPI communication peer process has unexpectedly disconnected",
    "Open MPI failed to TCP connect to a peer", "mpirun was unable to cleanly terminate the daemons",
  ]
}
