import Compute
import Configuration
import Distributed
import Foundation
import Method

/// Work on many independent items, shared out over the ranks.
enum SharedWork {
  /// The items of this rank, of `count` in all.
  static func share(of count: Int, _ ranks: Communicator) -> Range<Int> {
    count * ranks.rank / ranks.size..<count * (ranks.rank + 1) / ranks.size
  }

  /// Runs `body` for every item, shared out over the ranks in one piece each and there over the threads, with a
  /// progress bar. Collective.
  ///
  /// - Parameters:
  ///   - items: the same on all ranks.
  ///   - label: what is being done.
  ///   - body: called from any thread.
  /// - Returns: the results for the items of this rank's ``share(of:_:)``, in their order.
  static func run<Item: Sendable, Value: Sendable>(
    _ items: [Item], label: String, ranks: Communicator, _ body: @Sendable (Item) throws -> Value
  ) throws -> [Result<Value, any Error>] {
    let share = share(of: items.count, ranks)
    let longest = Int(try ranks.maximum([Int64(share.count)])[0])
    var step = 4 * Int(try ranks.maximum([Int64(ThreadPool.threads)])[0])
    var start = 0
    var results: [Result<Value, any Error>] = []
    results.reserveCapacity(share.count)
    var bar = ranks.rank == 0 ? ProgressBar(total: items.count, label: label) : nil
    while start < longest {
      let began = ProcessInfo.processInfo.systemUptime
      let count = max(0, min(step, share.count - start))
      var round = [Result<Value, any Error>?](repeating: nil, count: count)
      round.withUnsafeMutableBufferPointer { round in
        nonisolated(unsafe) let round = round
        let begin = share.lowerBound + start
        parallelFor(count) { index in round[index] = Result { try body(items[begin + index]) } }
      }
      results += round.compactMap { $0 }
      let seconds = ProcessInfo.processInfo.systemUptime - began
      let sums = try ranks.sum([Int64(results.count), Int64(seconds * 1e6)])
      bar?.advance(to: Int(sums[0]))
      start += step
      // Ranks exchange their counts rarely enough to cost nothing, and often enough for the bar to move.
      if sums[1] < 100_000 * Int64(ranks.size) { step *= 2 }
    }
    bar?.finish()
    return results
  }

  /// Every rank's messages, in rank order and each once. Collective.
  static func gather(_ messages: [String], ranks: Communicator) throws -> [String] {
    // Messages are lines; a name in one may hold a line break.
    let lines = messages.map { $0.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n" }
    let (bytes, _) = try ranks.allGather([UInt8](lines.joined().utf8))
    var seen = Set<Substring>()
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { seen.insert($0).inserted }
      .map(String.init)
  }
}
