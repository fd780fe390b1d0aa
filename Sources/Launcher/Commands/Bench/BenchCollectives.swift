import ArgumentParser
import Compute
import Distributed
import Foundation
import Measurement
import Network
import Trainer

extension Bench {
  struct Collectives: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Times the collectives of a training step, and what they are compared with, by turns.",
      discussion: """
        Run it under mpirun. Medians, on the slowest rank:

          mpirun -n 2 --hostfile hostfiles/localhost u2pl bench collectives

        gradients   the ordered sum, whose bits do not depend on the number of ranks, beside MPI_Allreduce
        γ_t         the exact percentile of the entropies of all ranks, beside a training step
        bank        what the memory bank takes on a node, whatever the number of its ranks
        """)

    @Option(help: "Gradient elements; 45 million is a ResNet-50 with its decoder.") var elements = 45_000_000
    @Option(help: "Unlabeled pixels of a rank.") var pixels = 4 * 513 * 513
    @Option(help: "Times each is measured.") var rounds = 7
    @Option(help: "Encoder of the step that γ_t is compared with.") var encoder = "resnet50"
    @Option(help: "Height and width of its images, one labeled and one unlabeled a rank; 0 for no step.") var crop = 513
    @Option(help: "Classes of the memory bank.") var classes = 21
    @Option(help: "Vectors of 256 features for each class.") var capacity = 10_000

    func validate() throws {
      guard elements > 0, pixels > 3, rounds > 0, crop == 0 || crop >= 33, classes > 1, capacity > 0 else {
        throw ValidationError("sizes and rounds must be positive, and --crop 0 or at least 33")
      }
    }

    func run() throws {
      try RankedProcess.run { ranks in
        try ranks.together { try BLAS.load() }
        _ = try RankedProcess.setThreads(nil, ranks: ranks)
        let benchmark = try CollectiveBenchmark(ranks: ranks)
        func say(_ line: String) { if ranks.rank == 0 { RankedProcess.say(line) } }
        say("\(ranks.size) ranks; medians of \(rounds), slowest rank")
        try gradients(benchmark, say)
        try percentile(benchmark, say)
        try bank(benchmark, say)
      }
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func gradients(_ benchmark: CollectiveBenchmark, _ say: (String) -> Void) throws {
      let costs = try benchmark.gradients(elements: elements, rounds: rounds)
      let ordered = median(costs.map(\.ordered.seconds)), mpi = median(costs.map(\.mpi.seconds))
      let ratio = median(costs.map { $0.ordered.seconds / $0.mpi.seconds })
      say(
        String(
          format: "gradients  %d floats: ordered %.4f s, MPI_Allreduce %.4f s, ratio %.2f; %.1f MB sent by a rank",
          elements, ordered, mpi, ratio, Double(costs[0].ordered.bytes) * 1e-6))
    }

    private func percentile(_ benchmark: CollectiveBenchmark, _ say: (String) -> Void) throws {
      var all = 0.0
      for count in [pixels / 4, pixels] {
        let costs = try benchmark.percentile(pixels: count, rounds: rounds)
        all = median(costs.map(\.seconds))
        say(
          String(format: "γ_t        %d pixels a rank: %.4f s, %d bytes sent by a rank", count, all, costs[0].bytes))
      }
      guard crop > 0 else { return }
      let step = try benchmark.step(encoder: encoder, size: crop)
      say(
        String(
          format:
            "           that is %.2f %% of a %@ step at %d², %.2f s with one labeled and one unlabeled image a rank",
          all / step * 100, encoder, crop, step))
    }

    private func bank(_ benchmark: CollectiveBenchmark, _ say: (String) -> Void) throws {
      let memory = try benchmark.bank(classes: classes, capacity: capacity, features: 256)
      say(
        String(
          format:
            "bank       %d classes of %d vectors of 256: %.1f MB a node set aside, %.1f MB grown on this node of %d ranks",
          classes, capacity, Double(memory.bytesPerNode) * 1e-6, Double(memory.growth) * 1e-6, memory.ranksOnNode))
    }
  }
}
