import Distributed
import Foundation

/// What the way from each rank to another is like while all ranks use theirs, as they do in a step.
///
/// Ranks exchange with the rank at distance 1, 2, 4 …, `rank xor distance`, as the ordered sums do.
public struct LinkBenchmark {
  /// The ways of one distance: of all ranks' medians the slowest.
  public struct Way: Sendable {
    public let distance: Int
    /// Pairs whose ranks are on different hosts, and all pairs.
    public let betweenHosts: Int
    public let pairs: Int
    /// Seconds in which two ranks exchange eight bytes, α.
    public let latency: Double
    /// Bytes a second in each direction while both carry data, β.
    public let bandwidth: Double
  }

  private let ranks: Communicator

  public init(ranks: Communicator) { self.ranks = ranks }

  /// Collective.
  ///
  /// - Parameters:
  ///   - bytes: of a long message.
  ///   - messages, rounds: how often a short and a long one are timed.
  public func run(bytes: Int, messages: Int, rounds: Int) throws -> [Way] {
    try sequence(first: 1) { $0 * 2 < ranks.size ? $0 * 2 : nil }.prefix { $0 < ranks.size }.map { distance in
      let partner = (ranks.rank ^ distance) < ranks.size ? ranks.rank ^ distance : nil
      let sharesMemory = try ranks.sharesMemory(with: partner ?? ranks.rank)
      let short = try slowest(try partner.map { try seconds(2, with: $0, times: messages) } ?? 0)
      let long = try slowest(try partner.map { try seconds(bytes / 4, with: $0, times: rounds) } ?? 0)
      let found = try ranks.sum([partner == nil ? 0 : 1, partner == nil || sharesMemory ? 0 : 1])
      return Way(
        distance: distance, betweenHosts: Int(found[1] / 2), pairs: Int(found[0] / 2), latency: short,
        bandwidth: Double(bytes / 4 * 4) / max(long - short, 1e-9))
    }
  }

  /// The median time of an exchange, after one that is not counted.
  private func seconds(_ floats: Int, with partner: Int, times: Int) throws -> Double {
    let outgoing = [Float](repeating: 1, count: floats)
    var incoming = [Float](repeating: 0, count: floats)
    let timed = try (0...times).map { _ in
      let start = ProcessInfo.processInfo.systemUptime
      try outgoing.withUnsafeBufferPointer { outgoing in
        try incoming.withUnsafeMutableBufferPointer { try ranks.exchange(outgoing, $0, with: partner) }
      }
      return ProcessInfo.processInfo.systemUptime - start
    }
    return timed.dropFirst().sorted()[times / 2]
  }

  private func slowest(_ seconds: Double) throws -> Double {
    Double(try ranks.maximum([Int64(seconds * 1e9)])[0]) * 1e-9
  }
}
