/// The hosts of a Slurm job, from the environment that `sbatch` and `salloc` give its programs.
package enum SlurmAllocation {
  /// nil outside of a job.
  ///
  /// - Throws: ``SupervisorError`` naming the variable that makes no sense.
  package static func read(_ environment: [String: String]) throws -> Allocation? {
    guard let list = environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"], !list.isEmpty else {
      return nil
    }
    let names: [String]
    do { names = try expand(list) } catch let error as SupervisorError {
      throw SupervisorError("SLURM_JOB_NODELIST=\(list): \(error)")
    }
    let source = environment["SLURM_JOB_ID"].map { "Slurm job \($0)" } ?? "the Slurm job"
    let slots = try ["SLURM_TASKS_PER_NODE", "SLURM_JOB_CPUS_PER_NODE"].lazy.compactMap { key -> [Int]? in
      guard let text = environment[key], !text.isEmpty else { return nil }
      let counts: [Int]
      do { counts = try repeated(text) } catch let error as SupervisorError {
        throw SupervisorError("\(key)=\(text): \(error)")
      }
      guard counts.count == names.count else {
        throw SupervisorError(
          "\(key)=\(text) is for \(counts.count) nodes, SLURM_JOB_NODELIST=\(list) has \(names.count)")
      }
      return counts
    }.first
    return Allocation(
      hosts: names.enumerated().map { HostSlots(name: $1, slots: slots?[$0]) }, source: source)
  }

  /// `node[01-03,07],gpu5` is node01, node02, node03, node07 and gpu5. Numbers keep their leading zeros.
  package static func expand(_ list: String) throws -> [String] {
    var names: [String] = []
    for part in try split(list) {
      names += try expand(part: part)
      guard names.count <= 65536 else { throw SupervisorError("it has more than 65536 nodes") }
    }
    guard Set(names).count == names.count else { throw SupervisorError("a node is named twice") }
    for name in names where !Hostfile.isHost(name) { throw SupervisorError("‘\(name)’ is no host name") }
    return names
  }

  /// At the commas outside of brackets.
  private static func split(_ list: String) throws -> [Substring] {
    var parts: [Substring] = []
    var depth = 0
    var start = list.startIndex
    for index in list.indices {
      switch list[index] {
      case "[": depth += 1
      case "]": depth -= 1
      case "," where depth == 0:
        parts.append(list[start..<index])
        start = list.index(after: index)
      default: break
      }
      guard (0...1) ~= depth else { throw SupervisorError("brackets do not match") }
    }
    guard depth == 0 else { throw SupervisorError("brackets do not match") }
    parts.append(list[start...])
    return parts
  }

  private static func expand(part: Substring) throws -> [String] {
    guard let open = part.firstIndex(of: "["), let close = part.firstIndex(of: "]") else { return [String(part)] }
    let suffixes = try expand(part: part[part.index(after: close)...])
    var names: [String] = []
    for range in part[part.index(after: open)..<close].split(separator: ",", omittingEmptySubsequences: false) {
      let ends = range.split(separator: "-", omittingEmptySubsequences: false)
      guard (1...2) ~= ends.count, ends.allSatisfy({ !$0.isEmpty && $0.count < 10 && $0.allSatisfy(\.isWholeNumber) }),
        let low = Int(ends[0]), let high = Int(ends[ends.count - 1]), low <= high, high - low < 65536
      else { throw SupervisorError("‘\(range)’ is no range such as 01-16") }
      for number in low...high {
        let digits = String(number)
        let zeros = String(repeating: "0", count: max(0, ends[0].count - digits.count))
        for suffix in suffixes { names.append("\(part[..<open])\(zeros)\(digits)\(suffix)") }
        guard names.count <= 65536 else { throw SupervisorError("it has more than 65536 nodes") }
      }
    }
    return names
  }

  /// `4(x2),2` is 4, 4, 2.
  package static func repeated(_ text: String) throws -> [Int] {
    var counts: [Int] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let match = part.wholeMatch(of: /([0-9]{1,6})(?:\(x([0-9]{1,6})\))?/), let count = Int(match.1), count > 0,
        let times = Int(match.2 ?? "1"), (1...65536) ~= times
      else { throw SupervisorError("‘\(part)’ is no count such as 4 or 4(x2)") }
      counts += Array(repeating: count, count: times)
      guard counts.count <= 65536 else { throw SupervisorError("it is for more than 65536 nodes") }
    }
    return counts
  }
}
