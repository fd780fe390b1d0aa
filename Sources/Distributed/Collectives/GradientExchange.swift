/// How the gradients of all ranks become their sum: a strategy that a training step is given.
///
/// Every rank uses the same one, and makes the same calls in the same order.
public protocol GradientExchange: AnyObject {
  /// Whether messages are on their way.
  var isUnderWay: Bool { get }

  /// Tells that these elements have their final values on this rank, each once before ``finish()``.
  func ready(_ elements: Range<Int>) throws

  /// Lets messages move on. Never waits.
  func progress() throws

  /// Returns when the sum is complete on this rank.
  func finish() throws
}

/// The sum in whatever order MPI takes, after the backward pass: `MPI_Allreduce`, to compare ``BucketedAllReduce``
/// with. Its bits depend on the number of ranks.
public final class UnorderedExchange: GradientExchange {
  private let values: UnsafeMutableBufferPointer<Float>
  private let ranks: Communicator

  /// - Parameter values: summed in place; must outlive this object, and not move.
  public init(_ values: UnsafeMutableBufferPointer<Float>, ranks: Communicator) {
    self.values = values
    self.ranks = ranks
  }

  public var isUnderWay: Bool { false }
  public func ready(_ elements: Range<Int>) {}
  public func progress() {}
  public func finish() throws { try ranks.unorderedAllReduce(values) }
}

/// No exchange: each rank keeps its own gradient. For benchmarks of the exchange's cost alone, because the results of
/// such a step are wrong.
public final class NoExchange: GradientExchange {
  public init() {}
  public var isUnderWay: Bool { false }
  public func ready(_ elements: Range<Int>) {}
  public func progress() {}
  public func finish() {}
}
