import Foundation

/// The logs of a run's ranks.
package final class RunLogs {
  /// The folder with the logs.
  package let directory: String
  private let wanted: Set<Int>?
  private var readers: [Int: LogReader] = [:]

  /// Opens the logs of a run.
  ///
  /// - Parameters:
  ///   - run: the run's directory, or its folder of logs.
  ///   - ranks: whose; nil for all.
  /// - Throws: ``LogError`` that names what is missing, and what is there instead.
  package init(run: String, ranks: Set<Int>? = nil) throws {
    directory = try RunLogs.folder(of: run)
    wanted = ranks
    let present = try RunLogs.ranks(in: directory)
    guard !present.isEmpty else { throw LogError("\(directory): holds no rank-NNNN.jsonl; has the run begun?") }
    if let missing = ranks?.subtracting(present).min() {
      throw LogError("\(directory): has no log of rank \(missing); it has those of \(RunLogs.list(present.sorted()))")
    }
    try lookForFiles()
  }

  /// The ranks that are read.
  package var ranks: [Int] { readers.keys.sorted() }

  /// Lines that are no log lines, by file: its path, and the lines' numbers.
  package var broken: [(path: String, lines: [Int])] {
    readers.sorted { $0.key < $1.key }.map { ($0.value.path, $0.value.broken) }.filter { !$0.lines.isEmpty }
  }

  /// Opens logs of ranks that have appeared since, and begins again with those that were replaced.
  package func lookForFiles() throws {
    for reader in readers.values { try reader.reopenIfReplaced() }
    for rank in try RunLogs.ranks(in: directory) where readers[rank] == nil && wanted?.contains(rank) ?? true {
      readers[rank] = try LogReader(RunLogs.path(rank, in: directory))
    }
  }

  /// Hands all new entries to `body`, ordered by time: entries of one rank in the order of its file, and of entries of
  /// the same time the lowest rank first.
  package func read(_ body: (LogEntry) throws -> Void) throws {
    // A heap would pay off from hundreds of ranks on; reading a line costs more than looking at as many heads.
    var heads: [(rank: Int, time: String, reader: LogReader)] = []
    for (rank, reader) in readers.sorted(by: { $0.key < $1.key }) {
      if let entry = try reader.peek() { heads.append((rank, entry.time, reader)) }
    }
    while !heads.isEmpty {
      var first = 0
      for i in heads.indices.dropFirst() where heads[i].time < heads[first].time { first = i }
      let reader = heads[first].reader
      if let entry = try reader.pop() { try body(entry) }
      if let entry = try reader.peek() { heads[first].time = entry.time } else { heads.remove(at: first) }
    }
  }

  // MARK: Finding them

  private static func folder(of run: String) throws -> String {
    let path = run.count > 1 && run.hasSuffix("/") ? String(run.dropLast()) : run
    func isFolder(_ path: String) -> Bool {
      var isDirectory: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }
    if isFolder("\(path)/logs") { return "\(path)/logs" }
    guard isFolder(path) else {
      let parent = path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) : "."
      let names = ((try? FileManager.default.contentsOfDirectory(atPath: parent.isEmpty ? "/" : parent)) ?? [])
        .filter { isFolder("\(parent)/\($0)/logs") }.sorted()
      let place = parent == "." ? "this folder" : parent
      let there =
        names.isEmpty
        ? "\(place) holds no run"
        : "\(place) holds \(names.prefix(12).joined(separator: ", "))\(names.count > 12 ? ", …" : "")"
      throw LogError("\(path): no such run; \(there)")
    }
    guard try !ranks(in: path).isEmpty else {
      throw LogError("\(path): has no folder logs: it is no run's directory, or the run has not begun")
    }
    return path
  }

  private static func ranks(in directory: String) throws -> Set<Int> {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: directory) } catch {
      throw LogError("\(directory): cannot be listed: \(error.localizedDescription)")
    }
    return Set(
      names.compactMap { name in
        name.wholeMatch(of: /rank-(\d{4,9})\.jsonl/).flatMap { Int($0.1) }
      })
  }

  private static func path(_ rank: Int, in directory: String) -> String {
    let digits = String(rank)
    return "\(directory)/rank-\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits).jsonl"
  }

  /// `0–3, 5`.
  package static func list(_ numbers: [Int]) -> String {
    var parts: [String] = []
    var start = 0
    while start < numbers.count {
      var end = start
      while end + 1 < numbers.count, numbers[end + 1] == numbers[end] + 1 { end += 1 }
      parts.append(end == start ? "\(numbers[start])" : "\(numbers[start])–\(numbers[end])")
      start = end + 1
    }
    return parts.joined(separator: ", ")
  }
}
