internal import CMPI

// Collectives whose result has the same bits in whatever order MPI takes the ranks: integers, and copies.

extension Communicator {
  /// Element-wise sum over all ranks. Corresponds to `MPI_Allreduce` with `MPI_SUM`.
  public func sum(_ values: [Int64]) throws -> [Int64] { try allReduce(values, u2pl_op_sum()) }

  /// Element-wise minimum over all ranks. Corresponds to `MPI_Allreduce` with `MPI_MIN`.
  public func minimum(_ values: [Int64]) throws -> [Int64] { try allReduce(values, u2pl_op_min()) }

  /// Element-wise maximum over all ranks. Corresponds to `MPI_Allreduce` with `MPI_MAX`.
  public func maximum(_ values: [Int64]) throws -> [Int64] { try allReduce(values, u2pl_op_max()) }

  private func allReduce(_ values: [Int64], _ operation: MPI_Op) throws -> [Int64] {
    guard let handle, size > 1, !values.isEmpty else { return values }
    var result = values
    bytesSent += values.count * 8
    try check(
      MPI_Allreduce(u2pl_in_place(), &result, Int32(values.count), u2pl_type_int64(), operation, handle),
      "MPI_Allreduce")
    return result
  }

  /// Every rank's elements, in rank order; ranks may give different numbers of them.
  ///
  /// - Returns: the elements and how many came from each rank. Corresponds to `MPI_Allgatherv`.
  public func allGather<Element: BitwiseCopyable>(_ values: [Element]) throws -> (elements: [Element], counts: [Int]) {
    guard let handle, size > 1 else { return (values, [values.count]) }
    let shares = try Shares(values.count, self)
    guard shares.total > 0 else { return ([], shares.counts) }
    bytesSent += values.count * MemoryLayout<Element>.stride
    let elements = try withDatatype(of: Element.self) { type in
      try [Element](unsafeUninitializedCapacity: shares.total) { buffer, initialized in
        try check(
          MPI_Allgatherv(
            values, Int32(values.count), type, buffer.baseAddress!, shares.counts32, shares.displacements, type, handle),
          "MPI_Allgatherv")
        initialized = shares.total
      }
    }
    return (elements, shares.counts)
  }

  /// Every rank's elements on rank 0, in rank order; empty on the others. Corresponds to `MPI_Gatherv`.
  public func gather<Element: BitwiseCopyable>(_ values: [Element]) throws -> [Element] {
    guard let handle, size > 1 else { return values }
    let shares = try Shares(values.count, self)
    guard shares.total > 0 else { return [] }
    if rank > 0 { bytesSent += values.count * MemoryLayout<Element>.stride }
    return try withDatatype(of: Element.self) { type in
      try [Element](unsafeUninitializedCapacity: rank == 0 ? shares.total : 0) { buffer, initialized in
        try check(
          MPI_Gatherv(
            values, Int32(values.count), type, buffer.baseAddress, shares.counts32, shares.displacements, type, 0,
            handle), "MPI_Gatherv")
        initialized = rank == 0 ? shares.total : 0
      }
    }
  }

  /// How many elements each rank contributes, and where they go.
  private struct Shares {
    let counts: [Int]
    let total: Int
    let counts32: [Int32]
    let displacements: [Int32]

    init(_ count: Int, _ ranks: Communicator) throws {
      var lengths = [Int64](repeating: 0, count: ranks.size)
      lengths[ranks.rank] = Int64(count)
      counts = try ranks.sum(lengths).map(Int.init)
      total = counts.reduce(0, +)
      guard total <= Int(Int32.max) else {
        throw MPIError(call: "MPI_Gatherv", code: Int32(MPI_ERR_COUNT), message: "\(total) elements exceed 2^31")
      }
      counts32 = counts.map { Int32($0) }
      var at = 0
      displacements = counts.map { count in
        defer { at += count }
        return Int32(at)
      }
    }
  }

  /// MPI 3.1 counts are 32-bit ints, so an element is a datatype of its own instead of bytes.
  private func withDatatype<Element: BitwiseCopyable, Result>(
    of: Element.Type, _ body: (MPI_Datatype) throws -> Result
  ) throws -> Result {
    var type = u2pl_type_null()
    try check(
      MPI_Type_contiguous(Int32(MemoryLayout<Element>.stride), u2pl_type_byte(), &type.value), "MPI_Type_contiguous")
    try check(MPI_Type_commit(&type.value), "MPI_Type_commit")
    let result = try body(type.value)
    try check(MPI_Type_free(&type.value), "MPI_Type_free")
    return result
  }

  /// `values` of rank `root`, on every rank; all ranks pass as many elements. Corresponds to `MPI_Bcast`.
  public func broadcast<Element: BitwiseCopyable>(_ values: [Element], from root: Int) throws -> [Element] {
    guard let handle, size > 1, !values.isEmpty else { return values }
    var result = values
    try result.withUnsafeMutableBytes { buffer in
      // 1 GiB at a time: counts are 32-bit.
      for start in stride(from: 0, to: buffer.count, by: 1 << 30) {
        let length = min(1 << 30, buffer.count - start)
        if rank == root { bytesSent += length }
        try check(
          MPI_Bcast(buffer.baseAddress! + start, Int32(length), u2pl_type_byte(), Int32(root), handle), "MPI_Bcast")
      }
    }
    return result
  }

  /// The string of rank `root`, on every rank.
  public func broadcast(_ text: String, from root: Int) throws -> String {
    let bytes = Array(text.utf8)
    let length = try broadcast([Int64(bytes.count)], from: root)[0]
    let padded = rank == root ? bytes : [UInt8](repeating: 0, count: Int(length))
    return String(decoding: try broadcast(padded, from: root), as: UTF8.self)
  }

  /// Every rank's string, in rank order.
  public func allGather(_ text: String) throws -> [String] {
    let (bytes, counts) = try allGather(Array(text.utf8))
    var rest = bytes[...]
    return counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return String(decoding: rest.prefix(count), as: UTF8.self)
    }
  }

  /// Sends `outgoing` to one rank while receiving as many elements from another. Corresponds to `MPI_Sendrecv`.
  ///
  /// - Parameters:
  ///   - outgoing: fewer than 2³¹ bytes.
  ///   - incoming: written with what `source` sends; may not overlap `outgoing`.
  public func sendReceive<Element: BitwiseCopyable>(
    _ outgoing: UnsafeBufferPointer<Element>, to destination: Int,
    _ incoming: UnsafeMutableBufferPointer<Element>, from source: Int
  ) throws {
    let stride = MemoryLayout<Element>.stride
    guard let handle, size > 1 else {
      _ = incoming.update(from: outgoing)
      return
    }
    guard outgoing.count * stride <= Int(Int32.max), incoming.count * stride <= Int(Int32.max) else {
      throw MPIError(call: "MPI_Sendrecv", code: Int32(MPI_ERR_COUNT), message: "message of 2 GiB or more")
    }
    bytesSent += outgoing.count * stride
    try check(
      MPI_Sendrecv(
        outgoing.baseAddress, Int32(outgoing.count * stride), u2pl_type_byte(), Int32(destination), 0,
        incoming.baseAddress, Int32(incoming.count * stride), u2pl_type_byte(), Int32(source), 0, handle,
        u2pl_status_ignore()), "MPI_Sendrecv", with: worldRank(source))
  }
}

extension Traffic {
  /// `sum`, `minimum` or `maximum` of 64-bit integers. MPI_Allreduce: recursive doubling while messages are small, else
  /// halving and doubling (Thakur et al. 2005).
  public mutating func allReduce(count: Int) {
    let bytes = Double(count * 8)
    let isSmall = bytes < 10_000
    add(
      rounds: isSmall ? doublings : 2 * doublings, linkBytes: isSmall ? doublings * bytes : 2 * otherShare * bytes,
      handedBytes: bytes)
  }

  /// `allGather` of shares that are `totalBytes` together: their lengths, then MPI_Allgatherv.
  public mutating func allGather(totalBytes: Double) {
    allReduce(count: ranks)
    add(rounds: doublings, linkBytes: otherShare * totalBytes, handedBytes: totalBytes / Double(ranks))
  }

  /// `sendReceive`.
  ///
  /// - Parameter probability: of being called at all.
  public mutating func sendReceive(bytes: Int, probability: Double = 1) {
    add(rounds: probability, linkBytes: probability * Double(bytes), handedBytes: probability * Double(bytes))
  }
}
