internal import CMPI

/// A vector on its way to a rank and another awaited from it, while this rank goes on computing.
///
/// Neither buffer may be touched before ``isComplete()`` has said true or ``wait()`` has returned. Corresponds to
/// `MPI_Isend` and `MPI_Irecv` (MPI 3.1, section 3.7).
final class PendingExchange {
  /// Elements of a message between hosts: 60 KiB, below the 64 KiB up to which Open MPI sends a message over TCP at once.
  /// A longer one is announced, answered and closed by small messages, which queue behind the data of others on the same
  /// connection, while the link is idle. Within a host those cost nothing, and long messages are copied faster.
  private static let messageBetweenHosts = 15 << 10

  private var requests: [MPI_Request?] = []
  private let partner: Int?

  /// - Parameters:
  ///   - partner: the rank to exchange with, which makes the same call with the counts the other way round.
  ///   - tag: tells exchanges apart that are under way at the same time; those of one tag and partner keep their order.
  ///   - message: most elements of a message, the same on both ranks; nil for what suits the way between them.
  init(
    send: UnsafeBufferPointer<Float>, receive: UnsafeMutableBufferPointer<Float>, with partner: Int, tag: Int,
    message: Int? = nil, _ ranks: Communicator
  ) throws {
    let most = try message ?? (ranks.sharesMemory(with: partner) ? Int(Int32.max) : Self.messageBetweenHosts)
    self.partner = ranks.worldRank(partner)
    let (type, handle) = (u2pl_type_float(), ranks.handle!)
    func messages(_ count: Int, _ call: (_ start: Int, _ count: Int32, inout MPI_Request?) throws -> Void) rethrows {
      for start in stride(from: 0, to: count, by: most) {
        var request: MPI_Request? = u2pl_request_null()
        try call(start, Int32(min(most, count - start)), &request)
        requests.append(request)
      }
    }
    try messages(receive.count) { start, count, request in
      try check(
        MPI_Irecv(receive.baseAddress! + start, count, type, Int32(partner), Int32(tag), handle, &request), "MPI_Irecv")
    }
    try messages(send.count) { start, count, request in
      try check(
        MPI_Isend(send.baseAddress! + start, count, type, Int32(partner), Int32(tag), handle, &request), "MPI_Isend")
    }
    ranks.bytesSent += send.count * MemoryLayout<Float>.stride
  }

  /// Whether both have arrived; lets MPI move them on. Corresponds to `MPI_Testall`.
  func isComplete() throws -> Bool {
    var flag: Int32 = 0
    try check(MPI_Testall(Int32(requests.count), &requests, &flag, u2pl_statuses_ignore()), "MPI_Testall")
    return flag != 0
  }

  /// Returns when both have arrived. Corresponds to `MPI_Waitall`.
  func wait() throws {
    try check(MPI_Waitall(Int32(requests.count), &requests, u2pl_statuses_ignore()), "MPI_Waitall", with: partner)
  }
}

extension Communicator {
  /// Sends floats to a rank while receiving as many from it, in messages like those of ``BucketedAllReduce``.
  public func exchange(
    _ outgoing: UnsafeBufferPointer<Float>, _ incoming: UnsafeMutableBufferPointer<Float>, with partner: Int
  ) throws {
    try PendingExchange(send: outgoing, receive: incoming, with: partner, tag: 0, self).wait()
  }
}
