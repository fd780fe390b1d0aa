import ArgumentParser
import Checkpoint
import Configuration
import Foundation
import HDF5
import Network
import Trainer
import Weights

extension WeightsCommand {
  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes a weights file for model.weights from safetensors or HDF5, and reports what fits.",
      discussion: """
        Takes ResNets under torchvision's and timm's names, networks under the names of the published code (also below \
        module. or model.), and this program's checkpoints. Several files are taken together. F16, BF16, F32 and F64 \
        become float32. For example:

          u2pl weights import resnet50.safetensors -o resnet50.h5

        A run may also be given the safetensors file itself, as model.weights.
        """)

    @Argument(help: "Files: .safetensors, or HDF5.") var files: [String]

    @Option(name: .shortAndLong, help: ArgumentHelp("The file to write, HDF5.", valueName: "out.h5"))
    var output: String

    @Option(
      help: ArgumentHelp(
        "Compare with this configuration's model; else with the one the file tells of.", valueName: "file"))
    var config: String?

    @Option(
      name: .customLong("set"),
      help: ArgumentHelp("Sets one key of the configuration; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    @Option(help: "Which network of a checkpoint; auto is the one that evaluation takes.")
    var network = NetworkOptions.Which.auto

    @Option(help: "Prefix of the network to take, where a file's names tell of several, such as teacher.")
    var prefix: String?

    @Flag(help: "Leave out what does not fit, instead of refusing it.") var lenient = false
    @Flag(help: "List every name.") var verbose = false

    func validate() throws {
      guard !output.hasSuffix(".safetensors") else {
        throw ValidationError("-o \(output): import writes HDF5; name it .h5")
      }
      guard config != nil || overrides.isEmpty else {
        throw ValidationError("--set changes keys of --config; give both")
      }
    }

    func run() throws {
      try WeightsCommand.run {
        let shape = try config.map { SegmenterShape(try Configuration.load(path: $0, overrides: overrides)) }
        let group = network == .auto ? nil : network.rawValue
        let files = try files.map { try NamedWeights($0, network: group, prefix: prefix) }
        let imported = try WeightsImport(files, for: shape, lenient: lenient)
        imported.report(verbose: verbose).forEach { print($0) }
        var contents = imported.contents
        contents.attributes["version"] = .string(Version.number)
        try CheckpointFile.write(contents, to: output)
        let bytes = contents.datasets.values.reduce(0) { $0 + $1.values.count * 4 }
        print("\(output): \(contents.datasets.count) tensors, \(WeightsCommand.megabytes(bytes)). To start from it:")
        for key in imported.shape.encoder.keys() + ["model.weights: \(output)"] { print("  \(key)") }
        if !imported.fit.isComplete { print("  model.strict: off") }
      }
    }
  }
}
