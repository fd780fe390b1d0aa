import ArgumentParser
import Compute
import Configuration
import Dataset
import Distributed
import Files
import Foundation
import Measurement
import Method
import Network
import RunLogs
import Trainer

extension Bench {
  /// The network, batch and threads of a benchmark's steps.
  struct StepOptions: ParsableArguments {
    @Option(help: "resnet18, resnet34, resnet50 or resnet101.") var encoder = "resnet50"
    @Option(help: "Height and width of the images.") var crop = 257
    @Option(help: "Labeled images a step, on all ranks.") var labeled = 2
    @Option(help: "Unlabeled images a step, on all ranks.") var unlabeled = 2
    @Option(help: "Classes, 2 to 12.") var classes = 12
    @Option(help: "Channels of decoder and representation.") var width = 256
    @Option(help: "Steps to time.") var steps = 5
    @Option(help: "Steps before those, which compile kernels.") var warmup = 2
    @Option(help: "Threads of a rank; the cores shared out if not given.") var threads: Int?

    func configuration(steps: Int) throws -> Configuration {
      try Configuration(
        yaml: """
          data: {kind: shapes, labeled: 64, unlabeled: 64, classes: \(classes), size: \(crop)}
          batch: {labeled: \(labeled), unlabeled: \(unlabeled)}
          augment: {crop: off, scale: off}
          model: {encoder: \(encoder), width: \(width), features: \(width)}
          schedule: {epochs: 1, steps_per_epoch: \(steps + warmup), supervised_epochs: 0}
          """, source: "bench", overrides: threads.map { ["compute.threads=\($0)"] } ?? [])
    }

    func validate() throws {
      guard steps > 0, warmup >= 0 else { throw ValidationError("--steps must be at least 1, --warmup at least 0") }
    }
  }

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Times semi-supervised training steps on generated images, phase by phase.",
      discussion: """
        Under mpirun, the batch is the global one. Medians over the timed steps, on rank 0. Convolutions are counted by
        their plain definition, 2 · kernel² · inputs · outputs operations an output pixel, so that work saved shows as speed
        beyond the roof. For example:

          u2pl bench step --encoder resnet50 --crop 257 --labeled 2 --unlabeled 2
        """)

    @OptionGroup var options: StepOptions
    @Flag(help: "Leave gradients unexchanged: a measure of what the exchange costs, not training.")
    var withoutExchange = false
    @Flag(help: "Exchange gradients in every other of twice as many steps, and tell how much longer those take.")
    var compareExchange = false
    @Flag(help: "Print one JSON object instead of the table.") var json = false

    func validate() throws {
      guard !(withoutExchange && compareExchange) else {
        throw ValidationError("--without-exchange and --compare-exchange exclude each other")
      }
    }

    func run() throws {
      try RankedProcess.run { ranks in
        let measured = try Measured(
          options, ranks: ranks, exchange: compareExchange ? .byTurns : withoutExchange ? .never : .always)
        guard ranks.rank == 0 else { return }
        RankedProcess.say(json ? measured.json() : measured.table(options))
      }
    }
  }

  /// Steps timed on all ranks, as rank 0 saw them.
  struct Measured {
    let result: StepBenchmark.Result
    /// Operations per second of one rank's matrix products, all ranks at it at once: the least of them.
    let roof: Double
    /// Peak resident memory of each rank in bytes.
    let peaks: [Int]
    let threads: Int

    init(_ options: StepOptions, ranks: Communicator, exchange: StepBenchmark.Exchange = .always) throws {
      let steps = exchange == .byTurns ? 2 * options.steps : options.steps
      let configuration = try ranks.together { try options.configuration(steps: steps) }
      try ranks.together { try BLAS.load() }
      _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
      threads = ThreadPool.threads
      let before = try ComputeRoof.measure()
      result = try StepBenchmark(configuration, ranks: ranks).run(warmup: options.warmup, exchange: exchange)
      // The machine may be shared: what it can do is what it did before or after, whichever is more.
      let own = max(before, try ComputeRoof.measure())
      roof = try ranks.allGather([own]).elements.min()!
      peaks = try ranks.allGather([ProcessMemory.peak]).elements
    }

    private func median(_ value: (StepTimes) -> Double) -> Double {
      let sorted = result.times.map(value).sorted()
      return sorted[sorted.count / 2]
    }

    var seconds: Double { median { $0.seconds } }
    /// Of convolutions, a step.
    var convolutionSeconds: Double { result.convolutions.reduce(0) { $0 + $1.seconds } / Double(stepCount) }
    var operations: Double { result.convolutions.reduce(0) { $0 + $1.operations } / Double(stepCount) }
    private var stepCount: Int { result.times.count + result.withoutExchange.count }
    /// The time of each step with exchange of gradients, relative to that of the next, without it.
    var exchangeRatios: [Double] { zip(result.times, result.withoutExchange).map { $0.seconds / $1.seconds } }
    var phases: [(name: String, seconds: Double)] {
      result.times[0].phases.indices.map { i in
        (result.times[0].phases[i].phase, median { $0.phases[i].seconds })
      }
    }

    func table(_ options: StepOptions) -> String {
      func gibibytes(_ bytes: Int) -> Double { Double(bytes) / 0x1p30 }
      let share = 100 / seconds
      var lines = ["phase                 seconds   share"]
      lines += phases.map {
        $0.name.padding(toLength: 20, withPad: " ", startingAt: 0)
          + String(format: "%9.4f  %5.1f %%", $0.seconds, $0.seconds * share)
      }
      lines += [
        String(
          format: "step                %9.4f  %.2f images/s", seconds,
          Double(options.labeled + options.unlabeled) / seconds),
        String(
          format: "convolutions        %9.4f  %5.1f %%   %.1f GFLOP, %.1f GFLOP/s", convolutionSeconds,
          convolutionSeconds * share, operations * 1e-9, operations / convolutionSeconds * 1e-9),
        String(
          format: "everything else     %9.4f  %5.1f %%", seconds - convolutionSeconds,
          100 - convolutionSeconds * share),
        String(
          format: "sgemm roof          %9.1f  GFLOP/s on %d thread%@ of a rank; convolutions at %.1f %% of it",
          roof * 1e-9, threads, threads == 1 ? "" : "s", operations / convolutionSeconds / roof * 100),
        String(
          format: "peak memory         %9.2f  GiB on rank 0, %.2f GiB on all %d ranks", gibibytes(peaks[0]),
          gibibytes(peaks.reduce(0, +)), peaks.count),
        String(format: "sent by rank 0      %9.1f  MB a step", Double(result.bytesSent) * 1e-6),
      ]
      let ratios = exchangeRatios.sorted()
      if let least = ratios.first, let greatest = ratios.last {
        lines.append(
          String(
            format: "gradients exchanged %9.4f  times a step without; median of %d pairs of steps, %.4f to %.4f",
            ratios[ratios.count / 2], ratios.count, least, greatest))
      }
      return lines.joined(separator: "\n")
    }

    func json() -> String {
      var line = JSONLine(), parts = JSONLine()
      for phase in phases { parts.add(phase.name, phase.seconds) }
      line.add("seconds", result.times.map(\.seconds))
      line.add("median_seconds", seconds)
      line.add("phases", parts)
      line.add("convolution_seconds", convolutionSeconds)
      line.add("convolution_operations", operations)
      line.add("roof", roof)
      line.add("threads", threads)
      line.add("ranks", peaks.count)
      line.add("peak_bytes", peaks)
      line.add("bytes_sent", result.bytesSent)
      line.add("exchange_ratios", exchangeRatios)
      return line.text
    }
  }
}
