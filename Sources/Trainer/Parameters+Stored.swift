import Checkpoint
import Network

// Between a network's storage and the datasets of a checkpoint or weights file.

extension Parameters {
  /// An entry as PyTorch stores it: float32 in its published shape, int64 for counters.
  ///
  /// Counters are [1] instead of PyTorch's []: of a scalar, h5py gives a number that `torch.from_numpy` refuses, while
  /// `load_state_dict` takes [1] for [].
  func stored(_ entry: ParameterEntry) -> StoredDataset {
    entry.kind == .counter
      ? StoredDataset(shape: [1], values: .int64([counters[entry.offset]]))
      : StoredDataset(shape: entry.shape, values: .float32(Array(storage(entry))))
  }

  /// Takes values by name.
  ///
  /// Counters may be missing: files converted from elsewhere often leave `num_batches_tracked` out.
  /// - Parameters:
  ///   - strict: when false, names that are missing, unknown or misshapen are left alone and reported.
  ///   - source: what messages call the file.
  /// - Returns: what was left out, a line a kind of problem; empty when all fits.
  /// - Throws: ``CheckpointError`` listing the names, when strict.
  @discardableResult
  public func load(_ stored: [String: StoredDataset], strict: Bool, source: String) throws -> [String] {
    let known = Set(entries.map(\.name))
    let missing = entries.filter { $0.kind != .counter && stored[$0.name] == nil }.map(\.name)
    let unknown = stored.keys.filter { !known.contains($0) }.sorted()
    let misshapen = entries.compactMap { entry -> String? in
      guard let shape = stored[entry.name]?.shape, !entry.accepts(shape) else { return nil }
      return "\(entry.name) is \(shape), not \(entry.shape)"
    }
    var notes: [String] = []
    for (what, names) in [("missing", missing), ("unknown", unknown), ("misshapen", misshapen)] where !names.isEmpty {
      notes.append("\(source): \(names.count) \(what): \(names.joined(separator: ", "))")
    }
    if strict, !notes.isEmpty {
      throw CheckpointError(
        description: notes.joined(separator: "\n") + "\nSet model.strict to false to start from what fits")
    }
    for entry in entries {
      guard let dataset = stored[entry.name], entry.accepts(dataset.shape) else { continue }
      if entry.kind == .counter {
        switch dataset.values {
        case .int64(let value): counters[entry.offset] = value[0]
        case .float32(let value) where value[0] >= 0 && value[0] < 0x1p62: counters[entry.offset] = Int64(value[0])
        default: break
        }
      } else if case .float32(let values) = dataset.values {
        _ = storage(entry).update(fromContentsOf: values)
      }
    }
    markChanged()
    return notes
  }
}

extension ParameterEntry {
  /// Whether values of this shape can be taken: the published shape, and [1] for a counter's [].
  fileprivate func accepts(_ other: [Int]) -> Bool { other == shape || kind == .counter && other == [1] }
}
