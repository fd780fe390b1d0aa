import Foundation

/// The names of an attempt's files of Open MPI, on every host: segments of shared memory in /dev/shm, 4 MiB a rank and
/// more, and the folders of its sessions in /tmp. It removes them itself unless `mpirun` or a daemon is killed. MPICH
/// leaves none.
package struct MPIJob: Equatable, Sendable {
  enum Name: Equatable, Sendable {
    /// Open MPI 4: the upper half of the job's number; the ranks are job 1 of it.
    case family(Int)
    /// Open MPI 5: such as `prterun-node01-4711`.
    case session(String)
  }

  let name: Name
  /// `mpirun`, and the host it runs on.
  package let process: Int32
  package let host: String

  /// Of Open MPI 4.
  package init(family: Int, process: Int32, host: String) {
    (name, self.process, self.host) = (.family(family), process, host)
  }

  /// Of Open MPI 5.
  package init(session: String, process: Int32, host: String) {
    (name, self.process, self.host) = (.session(session), process, host)
  }

  /// From the first line that `mpirun --report-uri -` prints, such as `1923481600.0;tcp://192.0.2.2:59839` or
  /// `prterun-vm-4711@0.0;tcp4://192.0.2.2:42083`.
  package init?(uri line: String, process: Int32, host: String) {
    if let match = line.wholeMatch(of: /(prterun-([A-Za-z0-9.\-]+)-(\d{1,9}))@0\.0;tcp.*/) {
      self.init(session: String(match.1), process: Int32(match.3) ?? process, host: String(match.2))
      return
    }
    guard let match = line.wholeMatch(of: /(\d+)\.0;tcp.*/), let number = UInt32(match.1), number & 0xFFFF == 0 else {
      return nil
    }
    // Some systems have the domain in the name of a host; Open MPI leaves it out.
    let name = host.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    guard !name.isEmpty else { return nil }
    self.init(family: Int(number >> 16), process: process, host: String(name))
  }

  /// A line of ``JobRecord``.
  init?(record line: Substring) {
    if let match = line.wholeMatch(of: /(\d{1,5}) (\d{1,9}) ([A-Za-z0-9-]+)/) {
      self.init(family: Int(match.1)!, process: Int32(match.2)!, host: String(match.3))
    } else if let match = line.wholeMatch(of: /(prterun-[A-Za-z0-9.\-]+) (\d{1,9}) ([A-Za-z0-9.\-]+)/) {
      self.init(session: String(match.1), process: Int32(match.2)!, host: String(match.3))
    } else {
      return nil
    }
  }

  var record: String {
    switch name {
    case .family(let number): "\(number) \(process) \(host)"
    case .session(let name): "\(name) \(process) \(host)"
    }
  }

  /// A part of a shell script that removes the files on one host, as far as no process uses them.
  var removal: String {
    switch name {
    case .family(let family):
      let ranks = String(family << 16 | 1, radix: 16)
      return Self.removal(
        ofSegments: ["/dev/shm/vader_segment.*.$(id -u).\(ranks).*", "/dev/shm/osc_sm.*.\(ranks).*"])
        + "t=\"${OMPI_MCA_orte_tmpdir_base:-${TMPDIR:-/tmp}}\"; rm -rf \"$t\"/ompi.*.$(id -u)/jf.\(family); "
        + "[ -d /proc/\(process) ] || rm -rf \"$t\"/ompi.\(host).$(id -u)/pid.\(process); "
    case .session:
      // Its segments have a number that the session's name does not tell: all that no process of this user has mapped,
      // and that are no younger than a job's start takes. A daemon's folder has the name of its own host and process.
      return Self.removal(
        ofSegments: ["$(find /dev/shm -maxdepth 1 -user $(id -u) -mmin +1 -name \"sm_segment.*\")"])
        + "t=\"${PRTE_MCA_prte_tmpdir_base:-${TMPDIR:-/tmp}}\"; h=$(uname -n); for n in $h ${h%%.*}; do "
        // The temporary folder may be shared by hosts; process numbers are those of one.
        + "for d in \"$t\"/prte.$n.*.$(id -u) "
        + "\"$t\"/prterun.$n.*.$(id -u) \"$t\"/prted.$n.*.$(id -u); do p=${d%.*}; p=${p##*.}; "
        + "[ -O \"$d\" ] && [ ! -d /proc/$p ] && rm -rf \"$d\"; done; done; "
    }
  }

  private static func removal(ofSegments patterns: [String]) -> String {
    "for f in \(patterns.joined(separator: " ")); do "
      + "[ -O \"$f\" ] && ! grep -qsF \"$f\" /proc/[0-9]*/maps && rm -f \"$f\"; done; "
  }
}
