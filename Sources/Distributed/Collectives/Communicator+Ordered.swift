internal import CMPI

// Floating-point reductions along the slot tree. Ranks combine by distance doubling, partner = rank xor 1, 2, 4 …, with
// the lower rank's operand on the left. That continues the tree along which each rank has reduced its own slots.

extension Communicator {
  /// Combines equally long arrays of all ranks in the tree's order; every rank gets the result.
  ///
  /// Whole arrays are exchanged, log₂(size) times: for small messages, such as moments of batch norm. With a rank count
  /// that is no power of two all arrays are gathered and combined in rank order: deterministic, but other bits.
  /// - Parameters:
  ///   - exchange: an exchange that makes progress while this rank waits; nil for none.
  ///   - combine: replaces its first operand, the left one, by the combination with its second.
  public func orderedReduce<Element: BitwiseCopyable>(
    _ values: inout [Element], movingOn exchange: (any GradientExchange)? = nil,
    _ combine: (inout [Element], [Element]) -> Void
  ) throws {
    guard size > 1, !values.isEmpty else { return }
    guard isPowerOfTwo else {
      let all = try allGather(values).elements
      let count = values.count
      values = Array(all[0..<count])
      for other in 1..<size { combine(&values, Array(all[other * count..<(other + 1) * count])) }
      return
    }
    var other = values
    var distance = 1
    while distance < size {
      let partner = rank ^ distance
      try values.withUnsafeBufferPointer { mine in
        try other.withUnsafeMutableBufferPointer { try exchangeWhole(mine, $0, with: partner, movingOn: exchange) }
      }
      if partner > rank {
        combine(&values, other)
      } else {
        swap(&values, &other)
        combine(&values, other)
      }
      distance *= 2
    }
  }

  /// `MPI_Sendrecv`, or its equivalent during which gradients under way make progress: their messages may be ahead of
  /// this one on the link, which would be idle if they made none.
  private func exchangeWhole<Element: BitwiseCopyable>(
    _ outgoing: UnsafeBufferPointer<Element>, _ incoming: UnsafeMutableBufferPointer<Element>, with partner: Int,
    movingOn gradients: (any GradientExchange)?
  ) throws {
    guard let gradients, gradients.isUnderWay else {
      return try sendReceive(outgoing, to: partner, incoming, from: partner)
    }
    let pending = try PendingExchange(
      send: UnsafeRawBufferPointer(outgoing), receive: UnsafeMutableRawBufferPointer(incoming), with: partner, tag: 0,
      message: Int(Int32.max), self)
    try pending.wait(movingOn: gradients)
  }

  /// Element-wise sum in the tree's order, exchanged whole; for small arrays.
  public func orderedSum(_ values: inout [Double]) throws {
    try orderedReduce(&values) { left, right in
      for i in left.indices { left[i] += right[i] }
    }
  }

  /// Element-wise sum in place in the tree's order, of a vector that is ready as a whole; see ``BucketedAllReduce``.
  public func orderedAllReduce(
    _ values: UnsafeMutableBufferPointer<Float>, bucket: Int = BucketedAllReduce.defaultBucket
  ) throws {
    let exchange = BucketedAllReduce(values, bucket: bucket, ranks: self)
    try exchange.ready(0..<values.count)
    try exchange.finish()
  }

  /// The sum in whatever order MPI takes, in place: `MPI_Allreduce`, to compare ``orderedAllReduce(_:)`` with.
  public func unorderedAllReduce(_ values: UnsafeMutableBufferPointer<Float>) throws {
    guard let handle, size > 1 else { return }
    for start in stride(from: 0, to: values.count, by: 1 << 28) {
      let length = min(1 << 28, values.count - start)
      bytesSent += 4 * length
      try check(
        MPI_Allreduce(
          u2pl_in_place(), values.baseAddress! + start, Int32(length), u2pl_type_float(), u2pl_op_sum(), handle),
        "MPI_Allreduce")
    }
  }
}

extension Traffic {
  /// `orderedReduce` of doubles, and `orderedSum`: whole arrays by distance doubling, or gathered.
  public mutating func orderedReduce(count: Int) {
    let bytes = Double(count * 8)
    guard isPowerOfTwo else { return allGather(totalBytes: bytes * Double(ranks)) }
    add(rounds: doublings, linkBytes: doublings * bytes, handedBytes: doublings * bytes)
  }
}
