import Foundation

/// The attempts whose files may be left on some host, in a file of the run directory: the next launch removes what one
/// that was killed has left.
final class JobRecord {
  private let path: String
  private(set) var jobs: [MPIJob]

  init(path: String) {
    self.path = path
    let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    jobs = text.split(separator: "\n").compactMap { MPIJob(record: $0) }
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
    let text = jobs.map { $0.record + "\n" }.joined()
    try? Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }
}
