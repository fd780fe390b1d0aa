internal import CMPI

/// A message on its way to a rank and another awaited from it, while this rank goes on computing.
///
/// Neither buffer may be touched before ``isComplete()`` has said true or ``wait()`` has returned. Corresponds to
/// `MPI_Isend` and `MPI_Irecv` (MPI 3.1, section 3.7).
final class PendingExchange {
  private var requests: [MPI_Request?]
  private let partner: Int?

  /// - Parameters:
  ///   - partner: the rank to exchange with, which makes the same call with the counts the other way round.
  ///   - tag: tells exchanges apart that are under way at the same time; those of one tag and partner keep their order.
  init(
    send: UnsafeBufferPointer<Float>, receive: UnsafeMutableBufferPointer<Float>, with partner: Int, tag: Int,
    _ ranks: Communicator
  ) throws {
    precondition(send.count <= Int(Int32.max) && receive.count <= Int(Int32.max))
    self.partner = ranks.worldRank(partner)
    requests = [u2pl_request_null(), u2pl_request_null()]
    let (type, handle) = (u2pl_type_float(), ranks.handle!)
    try requests.withUnsafeMutableBufferPointer { requests in
      try check(
        MPI_Irecv(
          receive.baseAddress, Int32(receive.count), type, Int32(partner), Int32(tag), handle, &requests[0]),
        "MPI_Irecv")
      try check(
        MPI_Isend(send.baseAddress, Int32(send.count), type, Int32(partner), Int32(tag), handle, &requests[1]),
        "MPI_Isend")
    }
    ranks.bytesSent += send.count * MemoryLayout<Float>.stride
  }

  /// Whether both messages have arrived; lets MPI move them on. Corresponds to `MPI_Testall`.
  func isComplete() throws -> Bool {
    var flag: Int32 = 0
    try check(MPI_Testall(2, &requests, &flag, u2pl_statuses_ignore()), "MPI_Testall")
    return flag != 0
  }

  /// Returns when both messages have arrived. Corresponds to `MPI_Waitall`.
  func wait() throws { try check(MPI_Waitall(2, &requests, u2pl_statuses_ignore()), "MPI_Waitall", with: partner) }
}
