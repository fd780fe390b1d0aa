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
        + "the same match of this regular expression, or of its first parentheses; else data.group, else volumes.",
      valueName: "regex"))
  var group: String?

  @Flag(
    help: ArgumentHelp(
      "Also gives the 95 % Hausdorff distance of each class, as medpy defines it, in each volume, or where there are none, "
        + "in each group of images. Needs 2 bytes for each pixel of a rank's images, and memory for one whole volume.")
  )
  var hausdorff = false

  @Option(
    help: ArgumentHelp("Also writes IoU, Dice and distance of each case and class, as CSV.", valueName: "file.csv"))
  var cases: String?

  func validate() throws {
    if let cases, !cases.lowercased().hasSuffix(".csv") {
      throw ValidationError("--cases \(cases): the name has to end in .csv")
    }
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
      let table = cases.map(CaseTable.init)
      try ranks.together {
        if ranks.rank == 0 {
          try file?.check()
          try table?.check()
        }
      }
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
      let expression = group ?? configuration.data.group
      let groups = try ranks.together { try ImageGroups(set, expression) }
      var surfaces = try ranks.together {
        hausdorff
          ? try CaseSurfaces(classes: configuration.data.classes, names: groups.names) { set.volume($0) } : nil
      }
      var counts = CaseCounts(images: set.count, classes: configuration.data.classes)
      let matrix = try evaluator.evaluate(
        network.segmenter, on: set,
        each: { image, matrix, labels, prediction in
          counts.add(matrix, image: image)
          surfaces?.add(labels, prediction: prediction, image: image)
        }, progress: { bar?.advance(to: $0 * ranks.size) })
      bar?.finish()
      try counts.share(over: ranks)
      // What the evaluation has found is kept where the distances fail, which they do on all ranks alike.
      let found = Result { try surfaces?.distances(ranks) }
      guard ranks.rank == 0 else {
        _ = try found.get()
        return
      }
      let distances = (try? found.get()) ?? nil
      let means = counts.means(of: groups.names)
      let classNames = configuration.data.classNames ?? (0..<matrix.classes).map(String.init)
      let seconds = ProcessInfo.processInfo.systemUptime - start
      report(
        matrix, means, distances, classNames, unit: !groups.areSet ? "image" : expression == nil ? "volume" : "group",
        how: "(\(network.group), \(evaluator.inference.description), \(set.count) images, "
          + String(format: "%.1f s)", seconds) + matrix.remark(configuration.data))
      if let table {
        try table.write(means, distances, classes: classNames)
        RankedProcess.say("cases: \(table.path)")
      }
      if let file {
        try file.write(
          matrix, names: classNames,
          attributes: [
            "checkpoint": .string(options.checkpoint), "network": .string(network.group),
            "evaluation": .string(evaluator.inference.description), "images": .int(Int64(set.count)),
            "mean_iou": .double(matrix.meanIntersectionOverUnion), "pixel_accuracy": .double(matrix.pixelAccuracy),
            "mean_accuracy": .double(matrix.meanAccuracy), "mean_dice": .double(matrix.meanDice),
          ])
        RankedProcess.say("confusion matrix: \(file.path)")
      }
      _ = try found.get()
    }
  }

  private func report(
    _ matrix: ConfusionMatrix, _ means: CaseMeans, _ distances: CaseDistances?, _ names: [String], unit: String,
    how: String
  ) {
    func percent(_ value: Double?) -> String { value.map { String(format: "%.2f", $0 * 100) } ?? "–" }
    let width = max(10, names.map(\.count).max() ?? 0)
    func row(_ name: String, _ columns: String...) {
      RankedProcess.say(
        name.padding(toLength: width, withPad: " ", startingAt: 0)
          + zip(columns, [9, 9, 14, 13, 13]).map { column($0, $1) }.joined())
    }
    row("class", "IoU %", "Dice %", "Dice/\(unit) %", "accuracy %", "pixels")
    let (iou, dice, accuracy) = (matrix.intersectionOverUnion, matrix.dice, matrix.accuracy)
    for (c, name) in names.enumerated() {
      let perCase = means.dice[c].map { percent($0) + "±" + percent(means.diceDeviation[c]) } ?? "–"
      row(
        name, percent(iou[c]), percent(dice[c]), perCase, percent(accuracy[c]),
        "\(matrix.truthCounts[c])")
    }
    let (ofIoU, ofDice) = (means.meanIntersectionOverUnion, means.meanDice)
    RankedProcess.say(
      "per \(unit): mIoU \(percent(ofIoU.mean)) ± \(percent(ofIoU.deviation)) %  Dice \(percent(ofDice.mean)) ± "
        + "\(percent(ofDice.deviation)) %  (\(means.cases) \(unit)s)")
    if let distances { report(distances, names, width) }
    RankedProcess.say(
      "mIoU \(percent(matrix.meanIntersectionOverUnion)) %  pixel accuracy \(percent(matrix.pixelAccuracy)) %  "
        + "mean accuracy \(percent(matrix.meanAccuracy)) %  Dice \(percent(matrix.meanDice)) %  \(how)")
  }

  private func report(_ distances: CaseDistances, _ names: [String], _ width: Int) {
    let unit = distances.inMillimetres ? "mm" : "pixels"
    for (c, name) in names.enumerated() {
      let empty = distances.oneEmpty(c)
      let left = empty > 0 ? "  (\(empty) left out: the class is in the mask alone, or in the prediction alone)" : ""
      let value = distances.mean(c).map { String(format: "%.3f ± %.3f", $0.mean, $0.deviation) + " " + unit } ?? "–"
      RankedProcess.say("HD95 \(name.padding(toLength: width, withPad: " ", startingAt: 0)) \(value)\(left)")
    }
  }

  private func column(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}

/// Input that a command cannot work with.
struct ConfigurationFailure: Error, CustomStringConvertible {
  let description: String
}
