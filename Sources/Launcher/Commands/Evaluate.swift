import ArgumentParser
import Configuration
import Foundation
import Trainer

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Evaluates a checkpoint on the validation list: IoU of each class, their mean, accuracies.",
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

  func validate() throws {
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
      try evaluator.check(set)
      let start = ProcessInfo.processInfo.systemUptime
      var bar = ranks.rank == 0 ? ProgressBar(total: set.count, label: "evaluate") : nil
      // Ranks take turns, so that the first has done about as many as any.
      let matrix = try evaluator.evaluate(network.segmenter, on: set) { bar?.advance(to: $0 * ranks.size) }
      bar?.finish()
      guard ranks.rank == 0 else { return }
      let names = configuration.data.classNames ?? (0..<matrix.classes).map(String.init)
      let seconds = ProcessInfo.processInfo.systemUptime - start
      report(
        matrix, names,
        how: "\(network.group), \(evaluator.inference.description), \(set.count) images, "
          + String(format: "%.1f s", seconds))
      guard let file else { return }
      try file.write(
        matrix, names: names,
        attributes: [
          "checkpoint": .string(options.checkpoint), "network": .string(network.group),
          "evaluation": .string(evaluator.inference.description), "images": .int(Int64(set.count)),
          "mean_iou": .double(matrix.meanIntersectionOverUnion), "pixel_accuracy": .double(matrix.pixelAccuracy),
          "mean_accuracy": .double(matrix.meanAccuracy),
        ])
      RankedProcess.say("confusion matrix: \(file.path)")
    }
  }

  private func report(_ matrix: ConfusionMatrix, _ names: [String], how: String) {
    func percent(_ value: Double?) -> String { value.map { String(format: "%.2f", $0 * 100) } ?? "–" }
    let width = max(10, names.map(\.count).max() ?? 0)
    func row(_ name: String, _ iou: String, _ accuracy: String, _ pixels: String) {
      RankedProcess.say(
        name.padding(toLength: width, withPad: " ", startingAt: 0) + column(iou, 9) + column(accuracy, 13)
          + column(pixels, 13))
    }
    row("class", "IoU %", "accuracy %", "pixels")
    let (iou, accuracy, pixels) = (matrix.intersectionOverUnion, matrix.accuracy, matrix.truthCounts)
    for (c, name) in names.enumerated() { row(name, percent(iou[c]), percent(accuracy[c]), "\(pixels[c])") }
    RankedProcess.say(
      "mIoU \(percent(matrix.meanIntersectionOverUnion)) %  pixel accuracy \(percent(matrix.pixelAccuracy)) %  "
        + "mean accuracy \(percent(matrix.meanAccuracy)) %  (\(how))")
  }

  private func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}

/// Input that a command cannot work with.
struct ConfigurationFailure: Error, CustomStringConvertible {
  let description: String
}
