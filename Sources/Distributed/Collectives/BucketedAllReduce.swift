import Compute

/// The element-wise sum of a vector over all ranks, in the order of the slot tree, bucket by bucket: a bucket's
/// exchange starts as soon as all its elements are ready and moves on while this rank goes on computing.
///
/// Within a bucket, vector halving with distance doubling, then all-gather (Rabenseifner 2004): a rank sends 2(p − 1)/p
/// of the vector, like the best all-reduce, and every element is summed in the tree's order wherever it lies. So the
/// bits do not depend on the bucket size.
///
/// Buckets move on whenever more is ready, and while this rank waits in
/// ``Communicator/orderedReduce(_:movingOn:_:)``.
///
/// With a rank count that is no power of two the vector is gathered and summed in rank order when all of it is ready.
public final class BucketedAllReduce: GradientExchange {
  /// Elements of a bucket by default: 4 MiB, large enough for the link's bandwidth, small enough for the first bucket
  /// to be sent early in the backward pass.
  public static let defaultBucket = 1 << 20
  /// Buckets under way at a time: enough that one is summed while others travel.
  public static let window = 4

  private let values: UnsafeMutableBufferPointer<Float>
  private let ranks: Communicator
  private let size: Int
  private let message: Int?
  /// Elements of each bucket that are not ready yet.
  private var missing: [Int] = []
  /// Buckets that are complete, in the order in which they became so, which is the same on all ranks.
  private var waiting: [Int] = []
  private var underWay: [Bucket] = []
  private var idleScratch: [UnsafeMutableBufferPointer<Float>] = []

  /// - Parameters:
  ///   - values: summed in place; must outlive this object, and not move.
  ///   - bucket: elements of a bucket.
  ///   - message: most bytes of a message; nil to choose by the link to each rank.
  public init(
    _ values: UnsafeMutableBufferPointer<Float>, bucket: Int = defaultBucket, message: Int? = nil, ranks: Communicator
  ) {
    self.values = values
    self.ranks = ranks
    self.message = message
    size = max(1, min(bucket, 1 << 28))
    reset()
  }

  deinit { idleScratch.forEach { $0.deallocate() } }

  private func range(_ bucket: Int) -> Range<Int> { bucket * size..<min(values.count, (bucket + 1) * size) }

  private func reset() { missing = (0..<(values.count + size - 1) / size).map { range($0).count } }

  public var isUnderWay: Bool { !underWay.isEmpty }

  /// Tells that these elements have their final values on this rank, each once before ``finish()``. Every rank makes
  /// this call for the same elements in the same order. It waits only at the first bucket, when ranks find out which of
  /// them share a host.
  public func ready(_ elements: Range<Int>) throws {
    var start = elements.lowerBound
    while start < elements.upperBound {
      let bucket = start / size
      let end = min(elements.upperBound, range(bucket).upperBound)
      missing[bucket] -= end - start
      precondition(missing[bucket] >= 0, "elements were made ready twice")
      if missing[bucket] == 0 { waiting.append(bucket) }
      start = end
    }
    try progress()
  }

  /// Lets messages move on and sums what has arrived. Never waits.
  public func progress() throws {
    guard ranks.size > 1, ranks.isPowerOfTwo else { return }
    for bucket in underWay { try bucket.advance() }
    try replaceFinished()
  }

  /// Returns when the sum is complete. Elements that ``ready(_:)`` was never called for have to be zero on all ranks,
  /// and stay zero.
  public func finish() throws {
    defer { reset() }
    guard ranks.size > 1, !values.isEmpty else { return waiting.removeAll() }
    for (bucket, count) in missing.enumerated() where count > 0 && count < range(bucket).count {
      waiting.append(bucket)
    }
    guard ranks.isPowerOfTwo else {
      let buckets = waiting.sorted()
      waiting.removeAll()
      for bucket in buckets { try gatherAndSum(UnsafeMutableBufferPointer(rebasing: values[range(bucket)])) }
      return
    }
    try replaceFinished()
    while let oldest = underWay.first {
      try poll("MPI_Waitall", with: oldest.awaited) {
        try progress()
        return oldest.isFinished
      }
    }
  }

  private func replaceFinished() throws {
    for bucket in underWay where bucket.isFinished { idleScratch.append(bucket.scratch) }
    underWay.removeAll { $0.isFinished }
    while underWay.count < Self.window, !waiting.isEmpty {
      let number = waiting.removeFirst()
      let scratch = idleScratch.popLast() ?? .allocate(capacity: (min(size, values.count) + 1) / 2)
      underWay.append(
        try Bucket(values, range(number), tag: number + 1, scratch: scratch, ranks, message: message))
    }
  }

  private func gatherAndSum(_ part: UnsafeMutableBufferPointer<Float>) throws {
    let all = try ranks.allGather(Array(part)).elements
    for i in part.indices {
      var sum = all[i]
      for other in 1..<ranks.size { sum += all[other * part.count + i] }
      part[i] = sum
    }
  }
}

extension Traffic {
  /// ``BucketedAllReduce`` of all elements: halving, then gathering, in each bucket; without a power of two each is gathered.
  public mutating func bucketedAllReduce(elements: Int, bucket: Int = BucketedAllReduce.defaultBucket) {
    for start in stride(from: 0, to: elements, by: bucket) {
      let bytes = Double(4 * min(bucket, elements - start))
      if isPowerOfTwo {
        add(rounds: 2 * doublings, linkBytes: 2 * otherShare * bytes, handedBytes: 2 * otherShare * bytes)
      } else {
        allGather(totalBytes: bytes * Double(ranks))
      }
    }
  }
}

/// One bucket's exchange: first halving, with partners at doubling distance, then gathering, with the same partners in
/// reverse order.
private final class Bucket {
  /// Receives the other rank's half while halving.
  let scratch: UnsafeMutableBufferPointer<Float>
  private let values: UnsafeMutableBufferPointer<Float>
  private let ranks: Communicator
  private let tag: Int
  private let message: Int?
  /// The elements of which this rank holds the sum over its group of `distance` ranks.
  private var part: Range<Int>
  /// `part` before each halving.
  private var wholes: [Range<Int>] = []
  private var distance = 1
  private var isHalving = true
  private var pending: PendingExchange?

  init(
    _ values: UnsafeMutableBufferPointer<Float>, _ range: Range<Int>, tag: Int,
    scratch: UnsafeMutableBufferPointer<Float>, _ ranks: Communicator, message: Int?
  ) throws {
    self.values = values
    self.message = message
    self.ranks = ranks
    self.tag = tag
    self.scratch = scratch
    part = range
    try start()
  }

  var isFinished: Bool { pending == nil }

  /// The rank of the world that this waits for, where it can be told.
  var awaited: Int? { pending?.partner }

  /// Goes on for as long as messages have arrived.
  func advance() throws {
    while let pending, try pending.isComplete() {
      self.pending = nil
      arrived()
      try start()
    }
  }

  private var partner: Int { ranks.rank ^ distance }

  private func start() throws {
    if isHalving, distance == ranks.size {
      isHalving = false
      distance /= 2
    }
    if isHalving {
      let (mine, theirs) = halves
      try exchange(send: theirs, into: UnsafeMutableBufferPointer(rebasing: scratch[0..<mine.count]))
    } else if let whole = wholes.last {
      let other =
        part.lowerBound == whole.lowerBound
        ? part.upperBound..<whole.upperBound : whole.lowerBound..<part.lowerBound
      try exchange(send: part, into: UnsafeMutableBufferPointer(rebasing: values[other]))
    }
  }

  private func exchange(send: Range<Int>, into target: UnsafeMutableBufferPointer<Float>) throws {
    pending = try PendingExchange(
      send: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: values[send])),
      receive: UnsafeMutableRawBufferPointer(target), with: partner, tag: tag, message: message, ranks)
  }

  private func arrived() {
    guard isHalving else {
      part = wholes.removeLast()
      distance /= 2
      return
    }
    let mine = halves.mine
    let target = values.baseAddress! + mine.lowerBound
    let received = UnsafePointer(scratch.baseAddress!)
    // Addition commutes bit for bit, so which operand is the left one makes no difference.
    parallelRanges(mine.count, grain: 1 << 16) { range in
      for i in range { target[i] += received[i] }
    }
    wholes.append(part)
    part = mine
    distance *= 2
  }

  /// The half of `part` that this rank goes on with, and its partner's.
  private var halves: (mine: Range<Int>, theirs: Range<Int>) {
    let middle = part.lowerBound + part.count / 2
    let (lower, upper) = (part.lowerBound..<middle, middle..<part.upperBound)
    return partner > ranks.rank ? (lower, upper) : (upper, lower)
  }
}
