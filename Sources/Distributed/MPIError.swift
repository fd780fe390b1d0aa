internal import CMPI

/// An MPI call has failed.
public struct MPIError: Error, CustomStringConvertible, Sendable {
  /// The function, such as `MPI_Allreduce`.
  public let call: String
  /// The error class of the standard (MPI 3.1, section 8.4).
  public let code: Int32
  /// The library's own text for the code.
  public let message: String

  public var description: String { "\(call) failed: \(message) (error class \(code))" }
}

/// A failure on one rank, which ``Communicator/together(_:)`` throws on every rank.
public struct CollectiveFailure: Error, CustomStringConvertible, Sendable {
  /// The lowest rank it happened on.
  public let rank: Int
  public let description: String
}

/// Makes an MPI call, times and publishes it (``Activity``), and checks its return code.
///
/// - Parameter partner: the rank of the world that the call waits for; nil where it waits for several, or the rank is
///   not known.
/// - Throws: ``MPIError``. Communicators return errors because ``MPIEnvironment`` sets `MPI_ERRORS_RETURN` on the
///   world, which those made from it inherit.
func check(_ body: @autoclosure () -> Int32, _ call: StaticString, with partner: Int? = nil) throws {
  let code = Activity.call(call, with: partner, body)
  guard code != MPI_SUCCESS else { return }
  var errorClass: Int32 = 0
  MPI_Error_class(code, &errorClass)
  var length: Int32 = 0
  let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(MPI_MAX_ERROR_STRING) + 1) { buffer in
    buffer.initialize(repeating: 0)
    MPI_Error_string(code, buffer.baseAddress!, &length)
    return String(cString: buffer.baseAddress!)
  }
  throw MPIError(call: "\(call)", code: errorClass, message: text)
}
