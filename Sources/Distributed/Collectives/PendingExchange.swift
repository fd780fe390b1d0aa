internal import CMPI

/// Sends a vector to a rank and receives another from it, while this rank goes on computing.
///
/// Neither buffer may be touched before ``isComplete()`` has returned true. Corresponds to `MPI_Isend` and `MPI_Irecv`
/// (MPI 3.1, section 3.7).
final class PendingExchange {
  /// Bytes of a message between hosts: 60 KiB, below the 64 KiB up to which Open MPI sends a message over TCP at once.
  /// A longer one is announced, answered and closed by small messages, which queue behind the data of others on the
  /// same connection, while the link is idle. Within a host those cost nothing, and long messages are copied faster.
  private static let messageBetweenHosts = 60 << 10

  private var requests: [u2pl_request] = []
  /// The partner's rank in the world, where it is known.
  let partner: Int?

  /// - Parameters:
  ///   - partner: the rank to exchange with, which makes the same call with the counts the other way round.
  ///   - tag: tells exchanges apart that are under way at the same time; those of one tag and partner keep their order.
  ///   - message: most bytes of a message, the same on both ranks; nil to choose by the link between them.
  init(
    send: UnsafeRawBufferPointer, receive: UnsafeMutableRawBufferPointer, with partner: Int, tag: Int,
    message: Int? = nil, _ ranks: Communicator
  ) throws {
    let most = try message ?? (ranks.sharesMemory(with: partner) ? Int(Int32.max) : Self.messageBetweenHosts)
    self.partner = ranks.worldRank(partner)
    let (type, handle) = (u2pl_type_byte(), ranks.handle!)
    func messages(_ bytes: Int, _ call: (_ start: Int, _ count: Int32, inout u2pl_request) throws -> Void) rethrows {
      for start in stride(from: 0, to: bytes, by: most) {
        var request = u2pl_request_null()
        try call(start, Int32(min(most, bytes - start)), &request)
        requests.append(request)
      }
    }
    try messages(receive.count) { start, count, request in
      try check(
        MPI_Irecv(receive.baseAddress! + start, count, type, Int32(partner), Int32(tag), handle, &request.value),
        "MPI_Irecv")
    }
    try messages(send.count) { start, count, request in
      try check(
        MPI_Isend(send.baseAddress! + start, count, type, Int32(partner), Int32(tag), handle, &request.value),
        "MPI_Isend")
    }
    ranks.bytesSent += send.count
  }

  /// Whether both have arrived; lets MPI move them on. Corresponds to `MPI_Testall`.
  func isComplete() throws -> Bool {
    var flag: Int32 = 0
    try check(u2pl_testall(Int32(requests.count), &requests, &flag), "MPI_Testall", with: partner)
    return flag != 0
  }

  /// Returns when both have arrived. Corresponds to `MPI_Waitall`.
  func wait() throws {
    try check(u2pl_waitall(Int32(requests.count), &requests), "MPI_Waitall", with: partner)
  }

  /// Returns when both have arrived; meanwhile gradients under way make progress.
  func wait(movingOn gradients: any GradientExchange) throws {
    try poll("MPI_Waitall", with: partner) {
      try gradients.progress()
      return try isComplete()
    }
  }
}

/// Calls `isDone` until it returns true. ``Activity`` shows all of it as one MPI call.
func poll(_ call: StaticString, with partner: Int?, until isDone: () throws -> Bool) throws {
  var failure: Error?
  func untilDone() -> Int32 {
    do { while try !isDone() {} } catch { failure = error }
    return MPI_SUCCESS
  }
  try check(untilDone(), call, with: partner)
  if let failure { throw failure }
}

extension Communicator {
  /// Sends floats to a rank while receiving as many from it, in messages like those of ``BucketedAllReduce``.
  public func exchange(
    _ outgoing: UnsafeBufferPointer<Float>, _ incoming: UnsafeMutableBufferPointer<Float>, with partner: Int
  ) throws {
    try PendingExchange(
      send: UnsafeRawBufferPointer(outgoing), receive: UnsafeMutableRawBufferPointer(incoming), with: partner, tag: 0,
      self
    ).wait()
  }
}
