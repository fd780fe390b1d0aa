import ArgumentParser
import Distributed
import Files
import Foundation
import Measurement

extension Bench {
  struct Link: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Measures latency and bandwidth between ranks, for `u2pl plan`.",
      discussion: """
        Run it under mpirun, with ranks on the hosts as in training:

          mpirun -n 4 --hostfile hosts u2pl bench link

        All ranks exchange at the same time, each with the one at distance 1, 2, 4 …, as in a step. Where ranks of a host \
        share its link, that is each one's share. Medians; of all ranks the slowest. The last line gives the slowest way \
        between hosts, or the slowest of all on a single host.
        """)

    @Option(help: "Bytes of a long message.") var bytes = 32 << 20
    @Option(help: "Short messages to time.") var messages = 1000
    @Option(help: "Long messages to time.") var rounds = 5
    @Flag(help: "Print one JSON object instead of the table.") var json = false

    func validate() throws {
      guard (1 << 10...1 << 30).contains(bytes), messages > 0, rounds > 0 else {
        throw ValidationError("--bytes must be \(1 << 10) to \(1 << 30), --messages and --rounds at least 1")
      }
    }

    func run() throws {
      try RankedProcess.run { ranks in
        try ranks.together {
          guard ranks.size > 1 else { throw LinkError() }
        }
        let ways = try LinkBenchmark(ranks: ranks).run(bytes: bytes, messages: messages, rounds: rounds)
        guard ranks.rank == 0 else { return }
        let between = ways.filter { $0.betweenHosts > 0 }
        let counted = between.isEmpty ? ways : between
        let latency = counted.map(\.latency).max()!, bandwidth = counted.map(\.bandwidth).min()!
        RankedProcess.say(
          json
            ? Self.json(ways, latency: latency, bandwidth: bandwidth)
            : table(ways, latency: latency, bandwidth: bandwidth, ranks: ranks.size).joined(separator: "\n"))
      }
    }

    private struct LinkError: Error, CustomStringConvertible {
      let description = "one rank has nobody to exchange messages with; run it under mpirun with at least two"
    }

    private func table(_ ways: [LinkBenchmark.Way], latency: Double, bandwidth: Double, ranks: Int) -> [String] {
      var lines = ["\(ranks) ranks; medians of \(messages) and \(rounds), slowest rank", ""]
      lines.append("distance  pairs  between hosts  latency, µs  bandwidth, MB/s in each direction")
      lines += ways.map {
        String(
          format: "%8d  %5d  %13d  %11.1f  %15.1f", $0.distance, $0.pairs, $0.betweenHosts, $0.latency * 1e6,
          $0.bandwidth * 1e-6)
      }
      return lines + ["", String(format: "u2pl plan --latency %.3g --bandwidth %.4g", latency, bandwidth)]
    }

    private static func json(_ ways: [LinkBenchmark.Way], latency: Double, bandwidth: Double) -> String {
      let rows = ways.map { way in
        var row = JSONLine()
        row.add("distance", way.distance)
        row.add("pairs", way.pairs)
        row.add("pairs_between_hosts", way.betweenHosts)
        row.add("latency", way.latency)
        row.add("bandwidth", way.bandwidth)
        return row
      }
      var line = JSONLine()
      line.add("latency", latency)
      line.add("bandwidth", bandwidth)
      line.add("ways", rows)
      return line.text
    }
  }
}
