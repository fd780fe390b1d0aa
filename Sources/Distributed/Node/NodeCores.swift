import Compute
import Foundation

extension Communicator {
  /// The time on cores that a control group allows, such as that of a container.
  public struct CoreQuota: Sendable {
    let cores: Double
    /// The group that sets it.
    let group: String

    public init(cores: Double, group: String) { (self.cores, self.group) = (cores, group) }
  }

  /// What a node offers the ranks that run on it.
  public struct NodeCores: Sendable {
    /// Ranks of this communicator on this node.
    public let ranks: Int
    /// Cores that these ranks together may run on.
    public let bound: Int
    /// Cores' worth of time that the quotas of control groups leave these ranks together.
    public let allowed: Int
    /// Cores that this rank may keep busy: fewer than `shared` where the launcher has bound it.
    public let own: Int
    /// Cores that the node has.
    public let online: Int

    /// Cores that these ranks together can keep busy.
    public var shared: Int { min(bound, allowed) }

    /// Threads a rank can have without getting in the way of others: ranks × threads ≤ cores.
    public var threadsPerRank: Int { max(1, min(own, shared / ranks)) }
  }

  /// Looks at the processor affinity of all ranks on this node, and at their quotas. Collective.
  ///
  /// - Parameter quota: of this rank; nil where there is none.
  public func nodeCores(quota: CoreQuota? = nil) throws -> NodeCores {
    let node = try host()
    let online = max(1, ProcessInfo.processInfo.processorCount)
    func cores(_ mask: [UInt8]) -> Int { max(1, mask.reduce(0) { $0 + $1.nonzeroBitCount }) }
    func whole(_ quota: Double) -> Int { max(1, Int(min(quota, 1e6).rounded(.up))) }
    // Each container has a quota of its own; ranks of one container share it. Paths of different containers may look
    // alike.
    let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/cgroup")) ?? ""
    let names = try node.allGather(quota.map { "\(space) \($0.group)" } ?? "")
    let quotas = try node.allGather([quota?.cores ?? .infinity]).elements
    var byGroup: [String: Double] = [:]
    for (name, quota) in zip(names, quotas) { byGroup[name] = quota }
    let allowed = whole(byGroup.values.reduce(0, +))
    let most = quota.map { whole($0.cores) } ?? .max
    guard let mask = ThreadPool.affinity else {
      return NodeCores(ranks: node.size, bound: online, allowed: allowed, own: min(online, most), online: online)
    }
    var union = [UInt8](repeating: 0, count: mask.count)
    for (i, byte) in try node.allGather(mask).elements.enumerated() { union[i % union.count] |= byte }
    return NodeCores(
      ranks: node.size, bound: cores(union), allowed: allowed, own: min(cores(mask), most), online: online)
  }
}
