internal import CMPI

/// The ranks of a communicator by node: those that share memory, and one leader of each node.
///
/// What every node needs once, and not every rank, is sent to the leaders alone.
public final class NodeGroup {
  /// All ranks.
  let world: Communicator
  /// The ranks on this node.
  public let node: Communicator
  /// The leaders of all nodes; nil on a rank that leads none. Rank 0 of the world is rank 0 here.
  public let leaders: Communicator?

  public var isLeader: Bool { node.rank == 0 }

  /// Collective.
  public init(_ ranks: Communicator) throws {
    world = ranks
    node = try ranks.node()
    let part = try ranks.split(color: node.rank == 0 ? 0 : 1, key: ranks.rank)
    leaders = node.rank == 0 ? part : nil
  }

  /// Every rank's elements on each leader, by node and then by rank on it; nil on ranks that lead none. Collective.
  ///
  /// A rank's elements travel once to its own leader and once to each other node. Corresponds to `MPI_Gatherv` on the node,
  /// then `MPI_Allgatherv` among leaders.
  public func gatherToLeaders<Element: BitwiseCopyable>(_ values: [Element]) throws -> [Element]? {
    let ofNode = try node.gather(values)
    return try leaders?.allGather(ofNode).elements
  }

  /// `values` of rank 0 on each leader; other ranks get back what they pass. Collective.
  public func broadcastToLeaders<Element: BitwiseCopyable>(_ values: [Element]) throws -> [Element] {
    try leaders?.broadcast(values, from: 0) ?? values
  }
}

/// Memory that all ranks of a node read and write in place, or this process's own where it is alone on its node.
/// Corresponds to `MPI_Win_allocate_shared` (MPI 3.1, section 11.2.3).
public final class NodeSharedMemory {
  /// 64-byte aligned, and zeroed.
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  private let node: Communicator
  private var window: u2pl_win?

  /// Memory of a process alone.
  public init(byteCount: Int) {
    self.byteCount = byteCount
    node = .alone
    base = SharedSpace.allocate(byteCount)
  }

  /// Memory of each node. Collective over all ranks. Pages cost nothing until they are written to.
  ///
  /// - Throws: ``CollectiveFailure`` on every rank when a node's shared memory is too small: room is asked for here, since
  ///   a page that is missing later would end the process by a signal.
  public init(byteCount: Int, nodes: NodeGroup) throws {
    self.byteCount = byteCount
    node = nodes.node
    try nodes.world.together {
      if nodes.isLeader, nodes.node.size > 1 { try SharedSpace.require(byteCount) }
    }
    guard let handle = node.handle, node.size > 1 else {
      base = SharedSpace.allocate(byteCount)
      return
    }
    var own: UnsafeMutableRawPointer?
    // Room to align: the standard promises no alignment.
    let bytes = node.rank == 0 ? byteCount + 64 : 0
    var window = u2pl_win_null()
    try check(
      MPI_Win_allocate_shared(bytes, 1, u2pl_info_null(), handle, &own, &window.value), "MPI_Win_allocate_shared")
    try check(MPI_Win_set_errhandler(window.value, u2pl_errors_return()), "MPI_Win_set_errhandler")
    var start: UnsafeMutableRawPointer?
    var size = 0
    var unit: Int32 = 0
    try check(MPI_Win_shared_query(window.value, 0, &size, &unit, &start), "MPI_Win_shared_query")
    base = start!.alignedUp(toMultipleOf: 64)
    try check(MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), window.value), "MPI_Win_lock_all")
    self.window = window
  }

  /// What any rank of the node has written before is read by all of them after. Collective over the node.
  /// Corresponds to `MPI_Win_sync` around `MPI_Barrier` (MPI 3.1, section 11.5.4, the unified model).
  public func publish() throws {
    guard let window else { return }
    try check(MPI_Win_sync(window.value), "MPI_Win_sync")
    try node.barrier()
    try check(MPI_Win_sync(window.value), "MPI_Win_sync")
  }

  /// Gives the memory back; the pointers are dangling afterwards. Collective over the node, so it is not left to `deinit`:
  /// a rank that unwinds after an error would wait here for others that wait elsewhere.
  public func close() throws {
    guard var open = window else { return }
    try check(MPI_Win_unlock_all(open.value), "MPI_Win_unlock_all")
    try check(MPI_Win_free(&open.value), "MPI_Win_free")
    window = nil
  }

  deinit {
    if node.size == 1 { SharedSpace.free(base, byteCount) }
  }
}

extension Traffic {
  /// `NodeGroup.gatherToLeaders` of shares that are `totalBytes` together, with a rank a node: the leaders' communicator carries it,
  /// not that of all ranks.
  public mutating func gatherToLeaders(totalBytes: Double) {
    let counted = countsAsHanded
    countsAsHanded = false
    allGather(totalBytes: totalBytes)
    countsAsHanded = counted
  }
}
