import ArgumentParser
import Compute
import Configuration
import Dataset
import Distributed
import Foundation
import Trainer

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures.", subcommands: [Step.self, Collectives.self, Checkpoint.self])

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Times semi-supervised training steps on generated images, phase by phase.",
      discussion: """
        Under mpirun, the batch is the global one. Medians over the steps after the first two, on rank 0. For example:

          u2pl bench step --encoder resnet50 --crop 257 --labeled 2 --unlabeled 2
        """)

    @Option(help: "resnet18, resnet34, resnet50 or resnet101.") var encoder = "resnet50"
    @Option(help: "Height and width of the images.") var crop = 257
    @Option(help: "Labeled images a step.") var labeled = 2
    @Option(help: "Unlabeled images a step.") var unlabeled = 2
    @Option(help: "Channels of decoder and representation.") var width = 256
    @Option(help: "Steps to time.") var steps = 5
    @Option(help: "Threads of a rank; the cores shared out if not given.") var threads: Int?

    func run() throws {
      try RankedProcess.run { ranks in
        let configuration = try ranks.together {
          try Configuration(
            yaml: """
              data: {kind: shapes, labeled: 64, unlabeled: 64, classes: 12, size: \(crop)}
              batch: {labeled: \(labeled), unlabeled: \(unlabeled)}
              augment: {crop: off, scale: off}
              model: {encoder: \(encoder), width: \(width), features: \(width)}
              schedule: {epochs: 1, steps_per_epoch: \(steps + 2), supervised_epochs: 0}
              """, source: "bench", overrides: threads.map { ["compute.threads=\($0)"] } ?? [])
        }
        try ranks.together { try BLAS.load() }
        _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
        let sent = ranks.bytesSent
        let reports = try StepBenchmark(configuration, ranks: ranks).run()
        let sentAStep = (ranks.bytesSent - sent) / reports.count
        let peaks = try ranks.allGather([ProcessMemory.peak]).elements
        guard ranks.rank == 0 else { return }
        show(Array(reports.dropFirst(2)))
        let gibibytes = { (bytes: Int) in Double(bytes) / 0x1p30 }
        RankedProcess.say(
          String(
            format: "peak memory         %9.2f GiB on rank 0, %.2f GiB on all %d ranks", gibibytes(peaks[0]),
            gibibytes(peaks.reduce(0, +)), ranks.size))
        RankedProcess.say(String(format: "sent by rank 0      %9.1f MB a step", Double(sentAStep) * 1e-6))
      }
    }

    private func show(_ reports: [StepReport]) {
      func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
      let total = median(reports.map(\.seconds))
      RankedProcess.say("phase                 seconds   share")
      for (i, phase) in reports[0].phases.enumerated() {
        let seconds = median(reports.map { $0.phases[i].seconds })
        RankedProcess.say(
          phase.phase.padding(toLength: 20, withPad: " ", startingAt: 0)
            + String(format: "%9.4f  %5.1f %%", seconds, seconds / total * 100))
      }
      RankedProcess.say(
        String(
          format: "step                %9.4f  %.2f images/s", total, Double(labeled + unlabeled) / total))
    }
  }
}
