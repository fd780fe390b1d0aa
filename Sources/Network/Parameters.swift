/// One named tensor of a network: where it lies in the network's storage, and its published shape.
public struct ParameterEntry: Sendable {
  /// The name in the published PyTorch code, such as `encoder.layer3.0.conv2.weight`.
  public let name: String
  /// PyTorch's shape: O, I, height, width for a convolution; one number for what is per channel.
  public let shape: [Int]
  /// The kind of entry, which decides where it is kept.
  public enum Kind: Sendable {
    /// Changed by gradients; in `Parameters.values`.
    case parameter
    /// Running mean or variance of batch norm; in `Parameters.buffers`.
    case statistic
    /// `num_batches_tracked`, how often batch norm has updated its statistics; in `Parameters.counters`.
    case counter
  }
  public let kind: Kind
  /// First element in the storage of its kind.
  public let offset: Int

  public var count: Int { shape.reduce(1, *) }
  /// Its elements in the storage of its kind.
  public var range: Range<Int> { offset..<offset + count }
}

/// All parameters and running statistics of one network, each kind contiguous, in the order of PyTorch's `state_dict`.
///
/// They are contiguous so that an update, an average, an exchange or a digest is one pass over memory.
public final class Parameters {
  public private(set) var entries: [ParameterEntry] = []
  /// All entries that are parameters; filled with zeros by ``allocate()``.
  public private(set) var values = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
  /// Gradient of the loss for each of `values`.
  public private(set) var gradients = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
  /// Running means and variances.
  public private(set) var buffers = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
  /// Training passes each batch norm has seen.
  public var counters: [Int64] = []
  /// Grows whenever `values` change; then weights are packed anew.
  public private(set) var version = 0

  private var counts: [ParameterEntry.Kind: Int] = [:]
  private let trainable: Bool

  /// - Parameter trainable: whether gradients are kept.
  public init(trainable: Bool) { self.trainable = trainable }

  deinit {
    values.deallocate()
    gradients.deallocate()
    buffers.deallocate()
  }

  package func add(_ name: String, _ shape: [Int], _ kind: ParameterEntry.Kind = .parameter) -> ParameterEntry {
    let entry = ParameterEntry(name: name, shape: shape, kind: kind, offset: counts[kind, default: 0])
    counts[kind, default: 0] += entry.count
    entries.append(entry)
    return entry
  }

  /// To be called once, after every layer has added its entries.
  package func allocate() {
    func zeros(_ kind: ParameterEntry.Kind) -> UnsafeMutableBufferPointer<Float> {
      let count = counts[kind, default: 0]
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
      buffer.initialize(repeating: 0)
      return buffer
    }
    values = zeros(.parameter)
    if trainable { gradients = zeros(.parameter) }
    buffers = zeros(.statistic)
    counters = [Int64](repeating: 0, count: counts[.counter, default: 0])
  }

  /// The storage of a parameter or statistic.
  public func storage(_ entry: ParameterEntry) -> UnsafeMutableBufferPointer<Float> {
    precondition(entry.kind != .counter)
    let all = entry.kind == .parameter ? values : buffers
    return UnsafeMutableBufferPointer(rebasing: all[entry.range])
  }

  /// The gradient of a parameter.
  public func gradient(_ entry: ParameterEntry) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: gradients[entry.range])
  }

  /// To be called after `values` have been written.
  public func markChanged() { version += 1 }

  /// Takes over all values, statistics and counts of a network of the same structure.
  public func copy(from other: Parameters) {
    precondition(buffers.count == other.buffers.count)
    copyValues(from: other)
    _ = buffers.update(fromContentsOf: other.buffers)
    counters = other.counters
  }

  /// What training changes by gradients, without running statistics.
  public func copyValues(from other: Parameters) {
    precondition(values.count == other.values.count)
    _ = values.update(fromContentsOf: other.values)
    markChanged()
  }
}
