import Checkpoint
import HDF5
import Network

// Copies between a network's storage and the datasets of a checkpoint or weights file.

extension Parameters {
  /// An entry as PyTorch stores it: float32 in its published shape, int64 for counters.
  ///
  /// Counters are [1] instead of PyTorch's []: of a scalar, h5py gives a number that `torch.from_numpy` refuses, while
  /// `load_state_dict` takes [1] for [].
  package func stored(_ entry: ParameterEntry) -> StoredDataset {
    entry.kind == .counter
      ? StoredDataset(shape: [1], values: .int64([counters[entry.offset]]))
      : StoredDataset(shape: entry.shape, values: .float32(Array(storage(entry))))
  }

  /// Takes values by name.
  ///
  /// - Parameters:
  ///   - strict: when false, names that are missing, unknown or misshapen are left alone.
  ///   - source: the file's name in messages.
  /// - Throws: ``CheckpointError`` listing the names, when strict.
  public func load(_ stored: [String: StoredDataset], strict: Bool, source: String) throws {
    let fit = WeightsFit(stored, to: entries, maySkipParts: false)
    guard fit.isComplete || !strict else {
      throw CheckpointError(description: fit.problems(source).joined(separator: "\n"))
    }
    take(stored, fit)
  }

  /// Starts from the weights of a file: see `docs/weights.md`.
  ///
  /// Parts but the encoder may be missing as a whole, and keep what they have. The representation head, too, is a part.
  /// A first convolution of three channels is brought to those of the images.
  /// - Parameters:
  ///   - shape: the network's.
  ///   - strict: when false, names that are missing, unknown or misshapen are left alone and reported.
  /// - Returns: what was left out, a line a kind; empty when all fits.
  /// - Throws: ``CheckpointError`` when strict, with the key to set where the file tells which.
  public func start(from weights: NamedWeights, _ shape: SegmenterShape, strict: Bool) throws -> [String] {
    let source = weights.source, weights = weights.taking(channels: shape.encoder.inputs)
    let fit = WeightsFit(weights.tensors, to: entries, maySkipParts: true)
    guard fit.isComplete || !strict else {
      throw CheckpointError(
        description: fit.refusal(of: weights, by: shape.encoder) + "\nmodel.strict: off starts from what fits")
    }
    guard !fit.fitting.isEmpty else { throw CheckpointError(description: fit.refusal(of: weights, by: shape.encoder)) }
    take(weights.tensors, fit)
    var notes = weights.names.skipped.map {
      "\(source): \($0.names.count) skipped, \($0.reason): \(WeightsFit.list($0.names))"
    }
    if !fit.superfluous.isEmpty {
      notes.append(
        "\(source): \(fit.superfluous.count) skipped, the model has no auxiliary head: \(WeightsFit.list(fit.superfluous))"
      )
    }
    if let absence = fit.absence { notes.append("\(source): \(absence)") }
    return notes + fit.problems(source)
  }

  private func take(_ stored: [String: StoredDataset], _ fit: WeightsFit) {
    let fitting = Set(fit.fitting)
    for entry in entries where fitting.contains(entry.name) {
      guard let dataset = stored[entry.name] else { continue }
      if entry.kind == .counter {
        counters[entry.offset] = dataset.counter
      } else if case .float32(let values) = dataset.values {
        _ = storage(entry).update(fromContentsOf: values)
      }
    }
    markChanged()
  }
}
