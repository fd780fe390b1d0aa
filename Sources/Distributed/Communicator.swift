internal import CMPI
import Foundation

/// A group of ranks that exchange messages. Wraps an MPI communicator, or stands for this process alone.
///
/// All calls come from the thread that started MPI. Every call throws ``MPIError`` when MPI reports an error, and is
/// collective unless it says otherwise: all ranks of the communicator make it, in the same order.
public final class Communicator {
  /// This process's number in the group, 0 ..< size.
  public let rank: Int
  /// How many ranks the group has.
  public let size: Int
  /// nil for a process alone.
  let handle: MPI_Comm?
  private let owned: Bool
  /// By rank, whether it shares memory with this one; nil before the first call of ``sharesMemory(with:)``.
  private var neighbours: [Bool]?
  /// Bytes handed to MPI for sending by this rank, so far.
  public internal(set) var bytesSent = 0

  /// This process alone: every collective returns its own contribution.
  public static var alone: Communicator { Communicator(rank: 0, size: 1, handle: nil, owned: false) }

  private init(rank: Int, size: Int, handle: MPI_Comm?, owned: Bool) {
    self.rank = rank
    self.size = size
    self.handle = handle
    self.owned = owned
  }

  convenience init(borrowing handle: MPI_Comm) throws { try self.init(handle, owned: false) }

  private convenience init(_ handle: MPI_Comm, owned: Bool) throws {
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
    try check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
    self.init(rank: Int(rank), size: Int(size), handle: handle, owned: owned)
  }

  deinit {
    guard owned, let handle else { return }
    var finalized: Int32 = 0
    MPI_Finalized(&finalized)
    var copy = u2pl_comm(value: handle)
    if finalized == 0 { MPI_Comm_free(&copy.value) }
  }

  /// The number of a rank of this group in the world, for messages; nil in a part of the world, where numbers differ.
  func worldRank(_ rank: Int) -> Int? { owned ? nil : rank }

  /// Whether distance doubling follows the slot tree: at 1, 2, 4, 8 … ranks.
  public var isPowerOfTwo: Bool { size & (size - 1) == 0 }

  /// The ranks that pass the same `color`, ordered by `key`, then by rank. Corresponds to `MPI_Comm_split`.
  public func split(color: Int, key: Int) throws -> Communicator {
    guard let handle else { return .alone }
    var part = u2pl_comm_null()
    try check(MPI_Comm_split(handle, Int32(color), Int32(key), &part.value), "MPI_Comm_split")
    return try Communicator(part.value, owned: true)
  }

  /// The ranks that share memory with this one: those on its host, where it can be shared.
  public func node() throws -> Communicator {
    MPIEnvironment.sharesMemory ? try host() : try split(color: rank, key: 0)
  }

  /// The ranks on this one's host. Corresponds to `MPI_Comm_split_type` with `MPI_COMM_TYPE_SHARED`.
  public func host() throws -> Communicator {
    guard let handle else { return .alone }
    var part = u2pl_comm_null()
    try check(
      MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), u2pl_info_null(), &part.value),
      "MPI_Comm_split_type")
    return try Communicator(part.value, owned: true)
  }

  /// Whether a rank is on this one's host. Collective at the first call, whatever the rank; local after.
  public func sharesMemory(with other: Int) throws -> Bool {
    if let neighbours { return neighbours[other] }
    var found = [Bool](repeating: false, count: size)
    for rank in try node().allGather([Int32(rank)]).elements { found[Int(rank)] = true }
    neighbours = found
    return found[other]
  }

  /// Returns when every rank has called it. Corresponds to `MPI_Barrier`.
  public func barrier() throws {
    guard let handle, size > 1 else { return }
    try check(MPI_Barrier(handle), "MPI_Barrier")
  }

  /// Ends every rank of the job at once, after `message` on standard error. Not collective. Corresponds to `MPI_Abort`.
  ///
  /// A rank that just exits would leave the others waiting in their next collective for ever.
  public func abort(_ message: String, code: Int32) -> Never {
    try? FileHandle.standardError.write(contentsOf: Data((message + "\n").utf8))
    if let handle { MPI_Abort(handle, code) }
    exit(code)
  }

  /// Runs `body` on every rank; if it throws on any, all ranks throw the lowest failing rank's message together.
  ///
  /// For start-up work that can fail on one rank alone, such as a file missing on one host. `body` makes no MPI call.
  /// - Throws: ``CollectiveFailure``.
  @discardableResult
  public func together<Result>(_ body: () throws -> Result) throws -> Result {
    var message = ""
    var result: Result?
    do { result = try body() } catch { message = "\(error)" }
    let failing = try minimum([result == nil ? Int64(rank) : Int64(size)])[0]
    if failing < size {
      let text = try broadcast(message, from: Int(failing))
      throw CollectiveFailure(rank: Int(failing), description: text)
    }
    return result!
  }
}
