import ArgumentParser
import Checkpoint
import Configuration
import Foundation
import HDF5
import Weights

extension WeightsCommand {
  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes a network of a checkpoint as safetensors, under the names of the published code.",
      discussion: """
        In Python, safetensors.torch.load_file(FILE) is a state_dict for the published network: float32 weights of \
        PyTorch's shapes, int64 scalars num_batches_tracked. For example:

          u2pl weights export runs/NAME/checkpoints/best -o NAME.safetensors
        """)

    @Argument(help: ArgumentHelp("A checkpoint, such as runs/NAME/checkpoints/best.", valueName: "checkpoint"))
    var checkpoint: String

    @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "out.safetensors"))
    var output: String

    @Option(help: "Which network; auto is the teacher once semi-supervised training has begun, else the student.")
    var network = NetworkOptions.Which.auto

    func validate() throws {
      guard output.hasSuffix(".safetensors") else {
        let other =
          output.hasSuffix(".onnx")
          ? "; docs/weights.md has the lines of Python from there to ONNX (section ONNX)"
          : "; docs/weights.md says how PyTorch reads it"
        throw ValidationError("-o \(output): export writes safetensors; name it .safetensors\(other)")
      }
    }

    func run() throws {
      try WeightsCommand.run {
        let group = network == .auto ? CheckpointFile.evaluatedNetwork(checkpoint) : network.rawValue
        let contents = try CheckpointFile.read(checkpoint, group: group)
        let tensors = contents.weights(of: group)
        guard !tensors.isEmpty else {
          throw CheckpointError(description: "\(checkpoint): has no group /\(group); u2pl inspect shows its groups")
        }
        try SafetensorsFile.write(tensors, metadata: contents.metadata, to: output)
        let bytes = tensors.reduce(0) { $0 + $1.dataset.values.count * 4 }
        print("\(output): \(group), \(tensors.count) tensors, \(WeightsCommand.megabytes(bytes))")
      }
    }
  }
}

extension CheckpointContents {
  /// What the weights do not tell: how images are given to the network, and what its classes are called.
  fileprivate var metadata: [String: String] {
    var metadata = ["format": "pt"]
    guard case .string(let yaml)? = attributes["config"],
      let data = try? Configuration(yaml: yaml, source: "config").data
    else { return metadata }
    (metadata["mean"], metadata["std"]) = ("\(data.mean)", "\(data.std)")
    if let range = data.knownRange { metadata["range"] = "\([range.lowerBound, range.upperBound])" }
    if data.normalize != .dataset { metadata["normalize"] = data.normalize.rawValue }
    let names = data.classNames.flatMap { try? JSONEncoder().encode($0) }
    metadata["classes"] = names.map { String(decoding: $0, as: UTF8.self) } ?? "\(data.classes)"
    return metadata
  }

  /// A network's tensors as a PyTorch state_dict has them: counters first, whose 8 bytes then need no padding, and
  /// scalars of them, which a checkpoint keeps as [1].
  fileprivate func weights(of group: String) -> [(name: String, dataset: StoredDataset)] {
    let all = datasets(in: group).sorted { $0.key < $1.key }.map { name, dataset in
      if case .int64 = dataset.values, dataset.shape == [1] {
        return (name: name, dataset: StoredDataset(shape: [], values: dataset.values))
      }
      return (name: name, dataset: dataset)
    }
    return all.filter { $0.dataset.isInt64 } + all.filter { !$0.dataset.isInt64 }
  }
}

extension StoredDataset {
  fileprivate var isInt64: Bool {
    if case .int64 = values { true } else { false }
  }
}
