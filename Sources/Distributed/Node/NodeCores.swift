import Compute
import Foundation

extension Communicator {
  /// What a node offers the ranks that run on it.
  public struct NodeCores: Sendable {
    /// Ranks of this communicator on this node.
    public let ranks: Int
    /// Cores that these ranks together may run on.
    public let shared: Int
    /// Cores that this rank may run on: fewer than `shared` where the launcher has bound it.
    public let own: Int
    /// Cores that the node has.
    public let online: Int

    /// Threads a rank can have without getting in the way of others: ranks × threads ≤ cores.
    public var threadsPerRank: Int { max(1, min(own, shared / ranks)) }
  }

  /// Looks at the processor affinity of all ranks on this node. Collective.
  public func nodeCores() throws -> NodeCores {
    let node = try node()
    let online = max(1, ProcessInfo.processInfo.processorCount)
    guard let mask = ThreadPool.affinity else {
      return NodeCores(ranks: node.size, shared: online, own: online, online: online)
    }
    var union = [UInt8](repeating: 0, count: mask.count)
    for (i, byte) in try node.allGather(mask).elements.enumerated() { union[i % union.count] |= byte }
    func cores(_ mask: [UInt8]) -> Int { max(1, mask.reduce(0) { $0 + $1.nonzeroBitCount }) }
    return NodeCores(ranks: node.size, shared: cores(union), own: cores(mask), online: online)
  }
}
