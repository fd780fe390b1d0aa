import ArgumentParser
import Compute
import Configuration
import Distributed
import Foundation
import Measurement
import Trainer

extension Bench {
  struct Data: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Times decoding and augmentation against the step that needs them.",
      discussion: """
        Loads batches of a configuration's data alone, then trains the same number of semi-supervised steps and tells how
        long they have waited for data after the first. Writes nothing. For example:

          mpirun -n 2 u2pl bench data --config configs/camvid.yaml --set data.root=PATH
        """)

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "Batches to load, and steps to train.") var batches = 30

    func validate() throws {
      guard batches > 0 else { throw ValidationError("--batches must be at least 1") }
    }

    func run() throws {
      try RankedProcess.run { ranks in
        let configuration = try ranks.together {
          try Configuration.load(path: options.config, overrides: options.overrides)
        }
        try ranks.together { try BLAS.load() }
        _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
        let result = try DataBenchmark(configuration, ranks: ranks).run(batches: batches)
        // The rank that waits most holds all others up.
        let waits = try ranks.allGather([result.waitingShare]).elements
        guard ranks.rank == 0 else { return }
        RankedProcess.say(
          String(
            format: """
              loading    %9.4f s a batch, %.1f images/s a rank (one thread, nothing else running)
              step       %9.4f s, that is %.1f times as long
              waiting    %9.3f %% of the time of %d steps after the first, on the rank that waits most
              """, result.batchSeconds, Double(result.images) / result.batchSeconds, result.stepSeconds,
            result.stepSeconds / result.batchSeconds, waits.max()! * 100, batches))
      }
    }
  }
}
