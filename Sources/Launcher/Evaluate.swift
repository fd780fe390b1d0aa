import ArgumentParser
import Checkpoint
import Compute
import Configuration
import Dataset
import Distributed
import Foundation
import Network
import Trainer

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Evaluates a checkpoint on the validation list: IoU of each class, their mean, pixel accuracy.",
    discussion:
      "The configuration is the one in the checkpoint; --set changes keys, such as data.root or data.validation.")

  @Option(help: ArgumentHelp("The checkpoint, such as runs/NAME/checkpoints/best.", valueName: "path"))
  var checkpoint: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Sets one key of the checkpoint's configuration; may be repeated.", valueName: "key=value"))
  var overrides: [String] = []

  enum Which: String, ExpressibleByArgument, CaseIterable { case auto, student, teacher }

  @Option(help: "Which network; auto is the teacher once semi-supervised training has begun, else the student.")
  var network = Which.auto

  func run() throws {
    try RankedProcess.run { ranks in
      // Every rank reads the file: a checkpoint to evaluate lies where all can see it.
      let (configuration, group, stored) = try ranks.together { try read() }
      try ranks.together { try BLAS.load() }
      _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
      let set = try ranks.together {
        guard let set = try DataSets.openValidation(configuration) else {
          throw ConfigurationFailure(description: "data.validation is not set; --set data.validation=LIST")
        }
        return set
      }
      let segmenter = Segmenter(SegmenterShape(configuration), trainable: false)
      try ranks.together {
        try segmenter.parameters.load(stored, strict: true, source: "\(checkpoint), group /\(group)")
      }
      let start = ProcessInfo.processInfo.systemUptime
      let matrix = try Evaluator(configuration, ranks: ranks).evaluate(segmenter, on: set)
      guard ranks.rank == 0 else { return }
      report(matrix, configuration, group, images: set.count, ProcessInfo.processInfo.systemUptime - start)
    }
  }

  private func read() throws -> (Configuration, String, [String: StoredDataset]) {
    let contents = try CheckpointFile.read(checkpoint)
    guard case .string(let yaml)? = contents.attributes["config"] else {
      throw CheckpointError(
        description: "\(checkpoint): the attribute config is missing; this is no checkpoint of a run")
    }
    let configuration = try Configuration(yaml: yaml, source: "\(checkpoint), attribute config", overrides: overrides)
    var group = network.rawValue
    if network == .auto {
      group = contents.attributes["semi_supervised_steps"] == .int(0) ? "student" : "teacher"
    }
    return (configuration, group, contents.datasets(in: group))
  }

  private func report(
    _ matrix: ConfusionMatrix, _ configuration: Configuration, _ group: String, images: Int, _ seconds: Double
  ) {
    let names = configuration.data.classNames ?? (0..<matrix.classes).map(String.init)
    let width = max(10, names.map(\.count).max() ?? 0)
    RankedProcess.say("class".padding(toLength: width, withPad: " ", startingAt: 0) + "   IoU %")
    for (name, iou) in zip(names, matrix.intersectionOverUnion) {
      let value = iou.map { String(format: "%6.2f", $0 * 100) } ?? "     –"
      RankedProcess.say(name.padding(toLength: width, withPad: " ", startingAt: 0) + "  " + value)
    }
    RankedProcess.say(
      String(
        format: "mIoU %.2f %%  pixel accuracy %.2f %%  (%@, %@, %d images, %.1f s)",
        matrix.meanIntersectionOverUnion * 100, matrix.pixelAccuracy * 100, group,
        configuration.evaluate.mode.rawValue, images, seconds))
  }
}

/// Input that a command cannot work with.
struct ConfigurationFailure: Error, CustomStringConvertible {
  let description: String
}
