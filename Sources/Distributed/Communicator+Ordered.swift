internal import CMPI
import Compute

// Floating-point reductions along the tree of slots. Ranks combine by distance doubling, partner = rank xor 1, 2, 4 …,
// the lower rank's operand left, which continues the tree each rank has reduced its own slots by.

extension Communicator {
  /// Combines equally long arrays of all ranks in the tree's order; every rank gets the result.
  ///
  /// Whole arrays are exchanged, log₂(size) times: for small messages, such as moments of batch norm. With a rank count
  /// that is no power of two all arrays are gathered and combined in rank order: deterministic, but other bits.
  /// - Parameter combine: replaces its first operand, the left one, by the combination with its second.
  public func orderedReduce<Element: BitwiseCopyable>(
    _ values: inout [Element], _ combine: (inout [Element], [Element]) -> Void
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
        try other.withUnsafeMutableBufferPointer { try sendReceive(mine, to: partner, $0, from: partner) }
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

  /// Element-wise sum in the tree's order, exchanged whole; for small arrays.
  public func orderedSum(_ values: inout [Double]) throws {
    try orderedReduce(&values) { left, right in
      for i in left.indices { left[i] += right[i] }
    }
  }

  /// Element-wise sum in place in the tree's order, for gradients: vector halving with distance doubling, then
  /// all-gather; each rank sends 2(p−1)/p of the vector, like the best all-reduce, and every element is summed in the
  /// order of the tree whatever its place in the vector.
  ///
  /// With a rank count that is no power of two the vector is gathered piece by piece and summed in rank order.
  public func orderedAllReduce(_ values: UnsafeMutableBufferPointer<Float>) throws {
    guard size > 1, values.count > 0 else { return }
    guard isPowerOfTwo else { return try gatherAndSum(values) }
    let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count / 2 + 1)
    defer { scratch.deallocate() }

    // Halving: after the step with distance d this rank holds the sum over its group of 2d ranks of a 1/(2d) part.
    var part = 0..<values.count
    var kept: [Range<Int>] = []
    var distance = 1
    while distance < size {
      let partner = rank ^ distance
      let middle = part.lowerBound + part.count / 2
      let lower = part.lowerBound..<middle, upper = middle..<part.upperBound
      let (mine, theirs) = partner > rank ? (lower, upper) : (upper, lower)
      kept.append(part)
      try exchange(values, send: theirs, to: partner, into: scratch, count: mine.count)
      let target = values.baseAddress! + mine.lowerBound
      let received = UnsafePointer(scratch.baseAddress!)
      // Addition commutes bit for bit, so which operand is the left one makes no difference here.
      parallelRanges(mine.count, grain: 1 << 16) { range in
        for i in range { target[i] += received[i] }
      }
      part = mine
      distance *= 2
    }
    // Gathering: the same partners in reverse order, each handing over the part it holds.
    for whole in kept.reversed() {
      distance /= 2
      let partner = rank ^ distance
      let other =
        part.lowerBound == whole.lowerBound
        ? part.upperBound..<whole.upperBound : whole.lowerBound..<part.lowerBound
      try exchange(
        values, send: part, to: partner,
        into: UnsafeMutableBufferPointer(rebasing: values[other]), count: other.count)
      part = whole
    }
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

  /// Sends `values[send]` while receiving `count` elements, at most 256 MiB a message: byte counts are 32-bit.
  private func exchange(
    _ values: UnsafeMutableBufferPointer<Float>, send: Range<Int>, to partner: Int,
    into target: UnsafeMutableBufferPointer<Float>, count: Int
  ) throws {
    let piece = 1 << 26
    var sent = 0
    var received = 0
    while sent < send.count || received < count {
      let out = min(piece, send.count - sent), into = min(piece, count - received)
      try sendReceive(
        UnsafeBufferPointer(rebasing: values[send.lowerBound + sent..<send.lowerBound + sent + out]), to: partner,
        UnsafeMutableBufferPointer(rebasing: target[received..<received + into]), from: partner)
      sent += out
      received += into
    }
  }

  private func gatherAndSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    let piece = 1 << 18
    for start in stride(from: 0, to: values.count, by: piece) {
      let count = min(piece, values.count - start)
      let all = try allGather(Array(values[start..<start + count])).elements
      for i in 0..<count {
        var sum = all[i]
        for other in 1..<size { sum += all[other * count + i] }
        values[start + i] = sum
      }
    }
  }
}
