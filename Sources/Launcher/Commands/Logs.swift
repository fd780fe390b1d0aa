import ArgumentParser
import Foundation
import RunLogs

struct Logs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows what the ranks of a run have logged, and which of them holds the others up.",
    discussion: """
      Without --rank and --merge: what rank 0 has logged, and the warnings and errors of all others, by time.

      Colours on a terminal only, and not where NO_COLOR is set. docs/logs.md has examples.
      """)

  @Argument(help: ArgumentHelp("The run's directory, such as runs/NAME.", valueName: "run"))
  var path: String

  @Option(
    name: .customLong("rank"),
    help: ArgumentHelp("Everything of these ranks, such as 3, 0-3 or 0,4-7.", valueName: "ranks"))
  var ranks: RankSelection?

  @Flag(help: "Everything of all ranks.")
  var merge = false

  @Option(help: "The least that is shown: info, warning or error.")
  var level: LogEntry.Level = .info

  @Option(
    name: .customLong("step"),
    help: ArgumentHelp("Only steps A to B, counted from 0; also A.., ..B and A.", valueName: "a..b"))
  var steps: StepRange?

  @Flag(help: "Wait for more lines, and for more ranks, until interrupted.")
  var follow = false

  @Flag(help: "Per phase the rank with the most work of its own, and how long the others wait for it.")
  var slowest = false

  func validate() throws {
    if slowest, follow {
      throw ValidationError("--slowest looks at what is there; it cannot be combined with --follow.")
    }
    if slowest, level != .info { throw ValidationError("--slowest looks at steps, which have no level.") }
    if merge, ranks != nil { throw ValidationError("--merge shows all ranks; leave it out, or --rank.") }
  }

  func run() throws {
    do {
      let logs = try RunLogs(run: path, ranks: ranks?.ranks)
      if slowest { try showSlowest(logs) } else { try show(logs) }
    } catch let error as LogError {
      RankedProcess.show("u2pl: error: \(error)", isError: true)
      throw ExitCode(2)
    }
  }

  // MARK: Lines

  private func show(_ logs: RunLogs) throws {
    var filter = LogFilter(
      steps: steps?.steps, level: level, quiet: ranks == nil && !merge ? { $0 > 0 } : { _ in false })
    var printer = LogPrinter(colored: LogPrinter.terminalHasColors)
    var reported: [String: Int] = [:]
    var quietRanks = Set<Int>()
    while true {
      try logs.read { entry in
        if entry.rank > 0 { quietRanks.insert(entry.rank) }
        if filter.shows(entry) { printer.show(entry) }
      }
      printer.flush()
      reportBroken(logs, &reported)
      guard follow else {
        if steps != nil, !filter.hasFoundSteps { throw LogError.noSteps(in: logs.directory) }
        break
      }
      usleep(300_000)
      try logs.lookForFiles()
    }
    if !quietRanks.isEmpty, ranks == nil, !merge, level == .info, isatty(STDOUT_FILENO) != 0 {
      RankedProcess.show(
        "Of ranks \(RunLogs.list(quietRanks.sorted())) only warnings and errors are shown; --merge shows all.",
        isError: true)
    }
  }

  /// Each broken line once, as a note beside the output.
  private func reportBroken(_ logs: RunLogs, _ reported: inout [String: Int]) {
    for (path, lines) in logs.broken {
      let new = lines.dropFirst(reported[path] ?? 0)
      guard !new.isEmpty else { continue }
      reported[path] = lines.count
      RankedProcess.show(
        "u2pl: note: \(path): \(new.count) \(new.count == 1 ? "line is" : "lines are") broken and left out: "
          + new.prefix(8).map(String.init).joined(separator: ", ") + (new.count > 8 ? ", …" : ""), isError: true)
    }
  }

  // MARK: Stragglers

  private func showSlowest(_ logs: RunLogs) throws {
    // A run may go on with more or fewer ranks: each time its steps are another table.
    let ofAll = Dictionary(uniqueKeysWithValues: logs.ranks.map { ($0, [Int: StepTimes]()) })
    var tables = [ofAll]
    var startedRanks: Int?
    var hosts: [Int: String] = [:]
    var lacksWaits = false
    try logs.read { entry in
      if entry.rank == 0, let count = entry.startedRanks, count != startedRanks {
        startedRanks = count
        tables.append(ofAll.filter { $0.key < count })
      }
      switch entry.kind {
      case .start(let facts): hosts[entry.rank] = facts.first { $0.key == "host" }?.value
      case .message(_, let text):
        // Versions that wrote no start line had it in their first message.
        if let host = text.firstMatch(of: /^host ([^,]+),/) { hosts[entry.rank] = hosts[entry.rank] ?? String(host.1) }
      case .step(let step):
        guard let number = entry.step, steps?.steps.contains(number) ?? true else { return }
        tables[tables.count - 1][entry.rank]?[number] = step
        if step.waits == nil { lacksWaits = true }
      }
    }
    var reported: [String: Int] = [:]
    reportBroken(logs, &reported)
    let newest = tables.last { table in table.values.contains { !$0.isEmpty } } ?? ofAll
    let report = SlowestReport(run: logs.directory, times: newest, hosts: hosts, lacksWaits: lacksWaits)
    for line in try report.lines() { print(line) }
  }
}

/// Ranks on the command line: `3`, `0-3`, `0,4-7`.
struct RankSelection: ExpressibleByArgument {
  let ranks: Set<Int>

  init?(argument: String) {
    var ranks = Set<Int>()
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first >= 0,
        first <= last, last < 1_000_000
      else { return nil }
      ranks.formUnion(first...last)
    }
    self.ranks = ranks
  }
}

/// Steps on the command line: `10..20`, `10..`, `..20`, `10`.
struct StepRange: ExpressibleByArgument {
  let steps: ClosedRange<Int>

  init?(argument: String) {
    let parts = argument.components(separatedBy: "..")
    guard parts.count <= 2, argument != ".." else { return nil }
    let ends = parts.map { Int($0) }
    for (part, end) in zip(parts, ends) where !part.isEmpty && (end ?? -1) < 0 { return nil }
    let first = parts[0].isEmpty ? 0 : ends[0]
    let last = parts.last!.isEmpty ? Int.max : ends[ends.count - 1]
    guard let first, let last, first <= last, !argument.isEmpty else { return nil }
    steps = first...last
  }
}

extension LogEntry.Level: ExpressibleByArgument {}
