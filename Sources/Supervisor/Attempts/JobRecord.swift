import Foundation

/// The names of an attempt's files of Open MPI, on every host: segments of shared memory in /dev/shm, 4 MiB a rank, and
/// the folders of its sessions in /tmp. It removes them itself unless `mpirun` or a daemon is killed.
package struct MPIJob: Equatable, Sendable {
  /// The upper half of the job's number; the ranks are job 1 of it.
  package let family: Int
  /// `mpirun`, and the host it runs on.
  package let process: Int32
  package let host: String

  package init(family: Int, process: Int32, host: String) {
    self.family = family
    self.process = process
    self.host = host
  }

  /// From the first line that `mpirun --report-uri -` prints, such as `1923481600.0;tcp://192.0.2.2:59839`.
  package init?(uri line: String, process: Int32, host: String) {
    guard let match = line.wholeMatch(of: /(\d+)\.0;tcp.*/), let number = UInt32(match.1), number & 0xFFFF == 0 else {
      return nil
    }
    // Some systems have the domain in the name of a host; Open MPI leaves it out.
    let name = host.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    guard !name.isEmpty else { return nil }
    self.init(family: Int(number >> 16), process: process, host: String(name))
  }
}

/// The attempts whose files may be left on some host, in a file of the run directory: the next launch removes what one
/// that was killed has left.
final class JobRecord {
  private let path: String
  private(set) var jobs: [MPIJob]

  init(path: String) {
    self.path = path
    let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    jobs = text.split(separator: "\n").compactMap { line in
      guard let match = line.wholeMatch(of: /(\d{1,5}) (\d{1,9}) ([A-Za-z0-9-]+)/) else { return nil }
      return MPIJob(family: Int(match.1)!, process: Int32(match.2)!, host: String(match.3))
    }
  }

  func add(_ job: MPIJob) {
    // They are passed on a command line, so only the newest are kept. A host that does not answer for longer keeps its
    // files.
    jobs = jobs.suffix(49) + [job]
    write()
  }

  /// Forgets all attempts: every host has removed their files.
  func clear() {
    guard !jobs.isEmpty else { return }
    jobs = []
    write()
  }

  /// Ignores errors: after a full disk, a killed launch leaves a few more files.
  private func write() {
    let text = jobs.map { "\($0.family) \($0.process) \($0.host)\n" }.joined()
    try? Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }
}
