import ArgumentParser
import Configuration
import Dataset
import Distributed
import Foundation
import Measurement
import Trainer

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Evaluates a checkpoint on the validation list: IoU and Dice of each class, their means, accuracies.",
    discussion: """
      The configuration is the one in the checkpoint; --set changes keys, such as data.root or data.validation, and \
      --mode, --scales and --flip those of the section evaluate. docs/evaluation.md says what is averaged. For example:

        mpirun -n 4 u2pl evaluate --checkpoint BEST --scales 0.75,1,1.25 --flip
      """)

  @OptionGroup var options: NetworkOptions

  enum Mode: String, ExpressibleByArgument, CaseIterable { case whole, center_crop, sliding }

  @Option(help: "Whole images, their centre, or windows of augment.crop; else evaluate.mode.")
  var mode: Mode?

  @Option(
    help: ArgumentHelp(
      "Also writes the confusion matrix, in the format its name ends in: .csv, .h5 or .hdf5.", valueName: "file"))
  var confusion: String?

  @Option(
    help: ArgumentHelp(
      "Means are over groups of images, such as the slices of one patient, instead of over images: those whose names have "
        + "the same match of this regular expression, or of its first parentheses.", valueName: "regex"))
  var group: String?

  func validate() throws {
    if let group {
      do { _ = try Regex(group) } catch { throw ValidationError("--group '\(group)': \(error)") }
    }
    if let confusion, ConfusionFile(path: confusion) == nil {
      throw ValidationError("--confusion \(confusion): the name has to end in .csv, .h5 or .hdf5")
    }
  }

  func run() throws {
    try RankedProcess.run { ranks in
      let file = confusion.flatMap(ConfusionFile.init)
      try ranks.together { if ranks.rank == 0 { try file?.check() } }
      let network = try options.load(
        mode: mode.flatMap { Configuration.Evaluate.Mode(rawValue: $0.rawValue) }, ranks: ranks)
      let configuration = network.configuration
      let set = try ranks.together {
        guard let set = try DataSets.openValidation(configuration) else {
          throw ConfigurationFailure(description: "data.validation is not set; --set data.validation=LIST")
        }
        return set
      }
      let evaluator = Evaluator(configuration, ranks: ranks)
      let review = try evaluator.check(set)
      let memory = InferenceMemory(network.segmenter, evaluator.inference, configuration)
      let available = try ProcessMemory.grantable / ranks.node().size
      try ranks.together {
        // A centre crop is no larger than any window.
        guard let largest = review.largest, configuration.evaluate.mode != .centerCrop else { return }
        try memory.require(height: largest.height, width: largest.width, largest.name, available: available)
      }
      if ranks.rank == 0 { review.warnings.forEach { RankedProcess.show("warning: \($0)", isError: true) } }
      let start = ProcessInfo.processInfo.systemUptime
      var bar = ranks.rank == 0 ? ProgressBar(total: set.count, label: "evaluate") : nil
      // Ranks take turns, so that the first has done about as many as any.
      let cases = try ranks.together { try caseNames(set) }
      var counts = CaseCounts(images: set.count, classes: configuration.data.classes)
      let matrix = try evaluator.evaluate(network.segmenter, on: set, each: { counts.add($1, image: $0) }) {
        bar?.advance(to: $0 * ranks.size)
      }
      bar?.finish()
      try counts.share(over: ranks)
      guard ranks.rank == 0 else { return }
      let names = configuration.data.classNames ?? (0..<matrix.classes).map(String.init)
      let seconds = ProcessInfo.processInfo.systemUptime - start
      report(
        matrix, counts.means(of: cases), names,
        how: "(\(network.group), \(evaluator.inference.description), \(set.count) images, "
          + String(format: "%.1f s)", seconds) + matrix.remark(configuration.data))
      guard let file else { return }
      try file.write(
        matrix, names: names,
        attributes: [
          "checkpoint": .string(options.checkpoint), "network": .string(network.group),
          "evaluation": .string(evaluator.inference.description), "images": .int(Int64(set.count)),
          "mean_iou": .double(matrix.meanIntersectionOverUnion), "pixel_accuracy": .double(matrix.pixelAccuracy),
          "mean_accuracy": .double(matrix.meanAccuracy), "mean_dice": .double(matrix.meanDice),
        ])
      RankedProcess.say("confusion matrix: \(file.path)")
    }
  }

  /// The case that each image belongs to: itself, or its group.
  private func caseNames(_ set: any ImageSet) throws -> [String] {
    guard let group else { return (0..<set.count).map { "\($0)" } }
    let expression = try Regex(group)
    return try (0..<set.count).map { index in
      let name = set.identifier(index)
      guard let match = try expression.firstMatch(in: name) else {
        throw ConfigurationFailure(
          description:
            "--group '\(group)' matches nothing in \(name)\(set.origin(index).map { " (\($0))" } ?? ""); every "
            + "image has to be in a group")
      }
      let part = match.output.dropFirst().first { $0.substring != nil } ?? match.output[0]
      return String(part.substring ?? "")
    }
  }

  private func report(_ matrix: ConfusionMatrix, _ means: CaseMeans, _ names: [String], how: String) {
    func percent(_ value: Double?) -> String { value.map { String(format: "%.2f", $0 * 100) } ?? "–" }
    let width = max(10, names.map(\.count).max() ?? 0)
    func row(_ name: String, _ columns: String...) {
      RankedProcess.say(
        name.padding(toLength: width, withPad: " ", startingAt: 0)
          + zip(columns, [9, 9, 14, 13, 13]).map { column($0, $1) }.joined())
    }
    let unit = group == nil ? "image" : "group"
    row("class", "IoU %", "Dice %", "Dice/\(unit) %", "accuracy %", "pixels")
    let (iou, dice, accuracy) = (matrix.intersectionOverUnion, matrix.dice, matrix.accuracy)
    for (c, name) in names.enumerated() {
      row(
        name, percent(iou[c]), percent(dice[c]), percent(means.dice[c]), percent(accuracy[c]),
        "\(matrix.truthCounts[c])")
    }
    let (ofIoU, ofDice) = (means.meanIntersectionOverUnion, means.meanDice)
    RankedProcess.say(
      "per \(unit): mIoU \(percent(ofIoU.mean)) ± \(percent(ofIoU.deviation)) %  Dice \(percent(ofDice.mean)) ± "
        + "\(percent(ofDice.deviation)) %  (\(means.cases) \(unit)s)")
    RankedProcess.say(
      "mIoU \(percent(matrix.meanIntersectionOverUnion)) %  pixel accuracy \(percent(matrix.pixelAccuracy)) %  "
        + "mean accuracy \(percent(matrix.meanAccuracy)) %  Dice \(percent(matrix.meanDice)) %  \(how)")
  }

  private func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}

/// Input that a command cannot work with.
struct ConfigurationFailure: Error, CustomStringConvertible {
  let description: String
}
