import Foundation

/// Whether the ranks of a host are numbered by different name spaces, as containers of their own number them. Open MPI
/// takes ranks of equal process numbers for one process, and ends by a segmentation fault when they share memory.
struct ProcessNumbers {
  private let environment: [String: String]
  /// Where ranks that can share memory leave notes for each other.
  private let directory: String
  private let root: String
  private let number: Int32

  /// - Parameter root: goes before paths below /proc; for tests.
  init(
    _ environment: [String: String] = ProcessInfo.processInfo.environment, directory: String = "/dev/shm",
    root: String = "", number: Int32 = getpid()
  ) {
    (self.environment, self.directory, self.root, self.number) = (environment, directory, root, number)
  }

  /// Whether ranks of this host have equal numbers, or cannot even compare them. Asks the other ranks only where the
  /// launcher cannot be seen, and so is in another name space; waits for them `seconds` at most.
  func collide(seconds: Double = 10) -> Bool {
    guard let ranks = environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap({ Int($0) }), ranks > 1,
      let rank = environment["OMPI_COMM_WORLD_LOCAL_RANK"].flatMap({ Int($0) }),
      let job = environment["PMIX_NAMESPACE"],
      !seesLauncher
    else { return false }
    func note(_ rank: Int) -> String { self.note(job, "\(rank)") }
    guard (try? Data("\(number)\n".utf8).write(to: URL(fileURLWithPath: note(rank)), options: .atomic)) != nil else {
      return true
    }
    let limit = ProcessInfo.processInfo.systemUptime + seconds
    var numbers: [Int: String] = [:]
    while numbers.count < ranks, ProcessInfo.processInfo.systemUptime < limit {
      for other in 0..<ranks where numbers[other] == nil {
        if let text = try? String(contentsOfFile: note(other), encoding: .utf8), text.hasSuffix("\n") {
          numbers[other] = text
        }
      }
      usleep(5000)
    }
    return Set(numbers.values).count < ranks
  }

  /// Removes this rank's note. To be called when MPI has started, which no rank does before it has read the notes.
  func clean() {
    guard let rank = environment["OMPI_COMM_WORLD_LOCAL_RANK"], let job = environment["PMIX_NAMESPACE"] else { return }
    unlink(note(job, rank))
  }

  private func note(_ job: String, _ rank: String) -> String {
    "\(directory)/u2pl-number-\(String(job.map { $0.isLetter || $0.isNumber ? $0 : "-" }))-\(rank)"
  }

  /// Whether the program that has started the ranks is among this process's ancestors.
  private var seesLauncher: Bool {
    let launchers = ["mpirun", "mpiexec", "orterun", "orted", "prterun", "prted", "slurmstepd"]
    var process = "self"
    for _ in 0..<64 {
      let text = (try? String(contentsOfFile: "\(root)/proc/\(process)/status", encoding: .utf8)) ?? ""
      func field(_ name: String) -> Substring? {
        text.split(separator: "\n").first { $0.hasPrefix(name + ":") }?.split(whereSeparator: \.isWhitespace)
          .dropFirst()
          .first
      }
      if process != "self", let name = field("Name"), launchers.contains(where: { name.hasPrefix($0) }) { return true }
      guard let parent = field("PPid"), parent != "0" else { return false }
      process = String(parent)
    }
    return true
  }
}
