import Checkpoint
import HDF5
import Network

/// Weights of files, brought under the published names for one network: what `u2pl weights import` does.
public struct WeightsImport: Sendable {
  public let files: [NamedWeights]
  /// The network they are compared with.
  public let shape: SegmenterShape
  public let fit: WeightsFit
  private let weights: NamedWeights
  /// Those of `shape`.
  let entries: [ParameterEntry]

  /// - Parameters:
  ///   - shape: the network to compare with; nil for the one that the tensors themselves tell of.
  ///   - lenient: whether to leave out what does not fit, instead of refusing it.
  /// - Throws: ``CheckpointError`` when the files do not fit, with the key to set where they tell which.
  public init(_ files: [NamedWeights], for shape: SegmenterShape?, lenient: Bool) throws {
    let merged = try NamedWeights(merging: files)
    let shapes = merged.tensors.mapValues(\.shape)
    guard let shape = shape ?? SegmenterShape(recognizedIn: shapes) else {
      let blocks = EncoderShape.blocks(in: shapes)
      throw CheckpointError(
        description: WeightsFit.advice(merged, for: EncoderShape(depth: .resnet101))
          ?? "\(merged.source): cannot tell which ResNet this is, its layers have "
          + "\(blocks.map(String.init).joined(separator: ", ")) blocks; --config FILE compares it with a model")
    }
    let entries = shape.entries, weights = merged.taking(channels: shape.encoder.inputs)
    let fit = WeightsFit(weights.tensors, to: entries, maySkipParts: true)
    if !lenient, !fit.isComplete {
      throw CheckpointError(
        description: fit.refusal(of: weights, by: shape.encoder) + "\n--lenient imports what fits")
    }
    guard !fit.fitting.isEmpty else {
      throw CheckpointError(description: "\(weights.source): nothing of it fits \(shape.summary)")
    }
    let broken = fit.fitting.filter { name in
      guard case .float32(let values)? = weights.tensors[name]?.values else { return false }
      return !values.allSatisfy(\.isFinite)
    }
    guard broken.isEmpty else {
      throw CheckpointError(
        description: "\(weights.source): values that are infinite or not a number, in float32: "
          + "\(WeightsFit.list(broken)); take weights that training has not spoiled")
    }
    (self.files, self.shape, self.fit, self.weights, self.entries) = (files, shape, fit, weights, entries)
  }

  /// A weights file's contents: what fits, as `/student/NAME`.
  public var contents: CheckpointContents {
    var contents = CheckpointContents()
    contents.attributes["imported_from"] = .string(weights.source)
    contents.attributes["encoder"] = .string(shape.encoder.words)
    let counters = Set(entries.filter { $0.kind == .counter }.map(\.name))
    for name in fit.fitting {
      guard let tensor = weights.tensors[name] else { continue }
      contents.datasets["student/\(name)"] =
        counters.contains(name) ? StoredDataset(shape: [1], values: .int64([tensor.counter])) : tensor
    }
    return contents
  }
}

extension StoredDataset {
  /// The value of `num_batches_tracked`; 0 where it makes no sense.
  var counter: Int64 {
    switch values {
    case .int64(let value): value.first ?? 0
    case .float32(let value): value.first.flatMap { $0 >= 0 && $0 < 0x1p62 ? Int64($0) : nil } ?? 0
    default: 0
    }
  }
}
