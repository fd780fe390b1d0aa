import ArgumentParser
import Checkpoint
import Foundation

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Shows what is in a checkpoint.")

  @Argument(help: ArgumentHelp("A checkpoint, such as runs/NAME/checkpoints/latest.", valueName: "checkpoint"))
  var path: String

  @Flag(help: "List every dataset with its shape and type.")
  var datasets = false

  @Flag(help: "Print the configuration of the run.")
  var config = false

  @Flag(help: "Read everything and check all checksums.")
  var verify = false

  func run() throws {
    do {
      if verify { try CheckpointFile.verify(path) }
      try show(try CheckpointFile.summary(path))
    } catch let error as CheckpointError {
      FileHandle.standardError.write(Data("u2pl: error: \(error)\n".utf8))
      throw ExitCode(2)
    }
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
