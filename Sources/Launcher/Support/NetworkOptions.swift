import ArgumentParser
import Checkpoint
import Compute
import Configuration
import Distributed
import HDF5
import Network
import Trainer

/// Options of commands that apply a trained network.
struct NetworkOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The checkpoint, such as runs/NAME/checkpoints/best.", valueName: "path"))
  var checkpoint: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Sets one key of the checkpoint's configuration; may be repeated.", valueName: "key=value"))
  var overrides: [String] = []

  enum Which: String, ExpressibleByArgument, CaseIterable { case auto, student, teacher }

  @Option(help: "Which network; auto is the teacher once semi-supervised training has begun, else the student.")
  var network = Which.auto

  @Option(
    help: ArgumentHelp(
      "Factors the image is resized by, over which logits are averaged, such as 0.75,1,1.25; else evaluate.scales.",
      valueName: "factors"))
  var scales: String?

  @Flag(inversion: .prefixedNo, help: "Whether logits are also averaged over the mirrored image; else evaluate.flip.")
  var flip: Bool?

  /// The keys that the options stand for, and `--set` before them.
  private func settings(mode: Configuration.Evaluate.Mode?) -> [String] {
    var settings = overrides
    if let mode { settings.append("evaluate.mode=\(mode.rawValue)") }
    if let scales { settings.append("evaluate.scales=[\(scales)]") }
    if let flip { settings.append("evaluate.flip=\(flip ? "on" : "off")") }
    return settings
  }

  /// Reads the checkpoint, gives this rank its threads, and fills a network. Collective.
  ///
  /// - Throws: ``CollectiveFailure`` on every rank.
  func load(mode: Configuration.Evaluate.Mode?, ranks: Communicator) throws -> TrainedNetwork {
    // Every rank reads the file, which therefore has to lie where all ranks can read it.
    let (configuration, group, stored) = try ranks.together { try read(settings(mode: mode)) }
    try ranks.together { try BLAS.load() }
    _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
    let segmenter = Segmenter(SegmenterShape(configuration), trainable: false)
    try ranks.together {
      try segmenter.parameters.load(stored, strict: true, source: "\(checkpoint), group /\(group)")
    }
    return TrainedNetwork(configuration: configuration, group: group, segmenter: segmenter)
  }

  private func read(_ settings: [String]) throws -> (Configuration, String, [String: StoredDataset]) {
    let attributes = try CheckpointFile.summary(checkpoint).attributes
    guard case .string(let yaml)? = attributes["config"] else {
      throw CheckpointError(
        description: "\(checkpoint): the attribute config is missing; this is no checkpoint of a run")
    }
    let source = "\(checkpoint), attribute config"
    let own = try Configuration(yaml: yaml, source: source).data
    let (classes, channels) = try Configuration.networkSize(yaml: yaml, source: source, overrides: settings)
    guard classes == own.classes else {
      throw ConfigurationFailure(
        description:
          "\(checkpoint): the network has \(own.classes) classes (\(own.names(of: Array(0..<own.classes)))), and "
          + "data.classes is set to \(classes): it cannot distinguish them. Leave data.classes out, and say by "
          + "data.label_map which of its classes the values in the masks mean: --set 'data.label_map={0: 0, 1: 1, other: ignore}'"
      )
    }
    guard channels == own.channels else {
      throw ConfigurationFailure(
        description: "\(checkpoint): the network is of images of \(own.channels) "
          + "\(own.channels == 1 ? "channel" : "channels"), and data.channels is set to \(channels); leave data.channels out"
      )
    }
    var configuration = try Configuration(yaml: yaml, source: source, overrides: settings)
    // Percentiles mean values of the training images, which are not looked at again.
    if case .percentiles(let percentiles, found: nil) = configuration.data.range {
      guard case .percentiles(percentiles, found: _?) = own.range else {
        throw ConfigurationFailure(
          description:
            "\(checkpoint): data.range has percentiles whose values this network's training has not found; leave data.range "
            + "out, which keeps what the network was trained with, or give values: --set data.range=[LOW, HIGH]")
      }
      configuration.data.range = own.range
    }
    let group = network == .auto ? CheckpointFile.evaluatedNetwork(checkpoint) : network.rawValue
    // Momentum and memory bank are many times larger than a network.
    let contents = try CheckpointFile.read(checkpoint, group: group)
    return (configuration, group, contents.datasets(in: group))
  }
}

/// A network out of a checkpoint.
struct TrainedNetwork {
  let configuration: Configuration
  /// `student` or `teacher`.
  let group: String
  let segmenter: Segmenter
}
