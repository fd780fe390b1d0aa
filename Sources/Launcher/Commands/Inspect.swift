import ArgumentParser
import Checkpoint
import Foundation

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows what is in a checkpoint, or which checkpoints a run has.",
    discussion: """
      Of a run's directory all checkpoints are listed, newest first; with --verify each is read and checked, and the exit code \
      is 2 where any is damaged. Those that a resume has set aside (.skipped) are named last.
      """)

  @Argument(
    help: ArgumentHelp(
      "A checkpoint, such as runs/NAME/checkpoints/latest, or a run's directory.", valueName: "checkpoint"))
  var path: String

  @Flag(help: "List every dataset with its shape and type.")
  var datasets = false

  @Flag(help: "Print the configuration of the run.")
  var config = false

  @Flag(help: "Read everything and check all checksums.")
  var verify = false

  func run() throws {
    do {
      let run = RunDirectory(path: path)
      if FileManager.default.fileExists(atPath: run.checkpointsPath) { return try list(run) }
      if verify { try CheckpointFile.verify(path) }
      try show(try CheckpointFile.summary(path))
    } catch let error as CheckpointError {
      RankedProcess.show("u2pl: error: \(error)", isError: true)
      throw ExitCode(2)
    }
  }

  private func list(_ run: RunDirectory) throws {
    let checkpoints = try run.checkpoints()
    guard !checkpoints.isEmpty else {
      throw CheckpointError(description: "\(run.checkpointsPath): holds no checkpoint yet")
    }
    var links: [String: [String]] = [:]
    for name in RunDirectory.links {
      if let target = run.target(of: name) { links[target, default: []].append(name) }
    }
    var damaged = 0
    for (step, path) in checkpoints {
      let names = links[URL(fileURLWithPath: path).lastPathComponent].map { "  (\($0.joined(separator: ", ")))" } ?? ""
      do {
        if verify { try CheckpointFile.verify(path, advises: false) } else { _ = try CheckpointFile.summary(path) }
        print("\(path): \(verify ? "all checksums hold" : "after step \(step - 1)")\(names)")
      } catch let error as CheckpointError {
        damaged += 1
        print("\(error)\(names)")
      }
    }
    for path in try run.skippedCheckpoints() { print("\(path): set aside by a resume that could not read it") }
    guard damaged > 0 else { return }
    fflush(nil)
    throw CheckpointError(description: "\(run.path): \(damaged) of \(checkpoints.count) checkpoints cannot be used")
  }

  private func show(_ summary: CheckpointSummary) throws {
    print(verify ? "\(path): all checksums hold" : path)
    for (name, value) in summary.attributes.sorted(by: { $0.key < $1.key }) where name != "config" {
      let text =
        switch value {
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let value): value
        }
      print("  \(name.padding(toLength: 24, withPad: " ", startingAt: 0)) \(text)")
    }
    print("")
    var order: [String] = []
    var groups: [String: (count: Int, elements: Int, bytes: Int)] = [:]
    for dataset in summary.datasets {
      let group = dataset.path.split(separator: "/").dropLast().joined(separator: "/")
      if groups[group] == nil { order.append(group) }
      let old = groups[group] ?? (0, 0, 0)
      groups[group] = (old.count + 1, old.elements + dataset.shape.reduce(1, *), old.bytes + dataset.bytes)
    }
    print("  group                    datasets       numbers        bytes")
    for group in order {
      let (count, elements, bytes) = groups[group]!
      print(
        "  " + "/\(group)".padding(toLength: 24, withPad: " ", startingAt: 0) + column(count, 9)
          + column(elements, 14) + column(bytes, 13))
    }
    let queues = summary.datasets.filter { $0.path.hasPrefix("bank/queue/") }
      .sorted { number($0.path) < number($1.path) }
    if !queues.isEmpty {
      let keys = queues.map { "\(number($0.path)): \($0.shape[0])" }.joined(separator: ", ")
      print("\n  memory bank, keys by class  \(keys)")
    }
    if datasets {
      print("")
      for dataset in summary.datasets { print("  \(dataset.path)  \(dataset.shape)  \(dataset.type)") }
    }
    if config, case .string(let yaml)? = summary.attributes["config"] { print("\n\(yaml)", terminator: "") }
  }

  private func number(_ path: String) -> Int { Int(path.split(separator: "/").last ?? "") ?? 0 }

  private func column(_ value: Int, _ width: Int) -> String {
    let text = "\(value)"
    return String(repeating: " ", count: max(1, width - text.count)) + text
  }
}
