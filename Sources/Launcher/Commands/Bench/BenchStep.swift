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
  /// Which steps to measure: those of a configuration, or of a network and batch given by options.
  struct StepOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A configuration whose steps are measured, everything on.", valueName: "file"))
    var config: String?
    @Option(
      name: .customLong("set"),
      help: ArgumentHelp(
        "Sets one key of --config, such as --set loss.dice=1; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []
    @Option(help: "resnet18, resnet34, resnet50 or resnet101; resnet50 if not given.") var encoder: String?
    @Option(help: "Height and width of the images; 257 if not given.") var crop: Int?
    @Option(help: "Labeled images a step, on all ranks; 2 if not given.") var labeled: Int?
    @Option(help: "Unlabeled images a step, on all ranks; 2 if not given.") var unlabeled: Int?
    @Option(help: "Classes, 2 to 12; 12 if not given.") var classes: Int?
    @Option(help: "Channels of decoder and representation; 256 if not given.") var width: Int?
    @Option(help: "Steps to time.") var steps = 5
    @Option(help: "Steps before those, which compile kernels.") var warmup = 2
    @Option(help: "Threads of a rank; the cores shared out if not given.") var threads: Int?

    func validate() throws {
      guard steps > 0, warmup >= 0 else { throw ValidationError("--steps must be at least 1, --warmup at least 0") }
      guard config != nil else {
        if overrides.isEmpty { return }
        throw ValidationError("--set changes a key of --config FILE, which is missing")
      }
      let given: [(name: String, key: String, isGiven: Bool)] = [
        ("--encoder", "model.encoder", encoder != nil), ("--crop", "augment.crop", crop != nil),
        ("--labeled", "batch.labeled", labeled != nil), ("--unlabeled", "batch.unlabeled", unlabeled != nil),
        ("--classes", "data.classes", classes != nil), ("--width", "model.width", width != nil),
        ("--threads", "compute.threads", threads != nil),
      ]
      if let option = given.first(where: \.isGiven) {
        throw ValidationError("\(option.name) is a key of the configuration: --set \(option.key)=VALUE")
      }
    }

    /// What to measure, and what to say of its images; nothing where none were asked for. Collective.
    func configuration(ranks: Communicator) throws -> (Configuration, note: String?) {
      guard let config else { return (try ranks.together { try ofOptions() }, nil) }
      let configuration = try ranks.together { try loaded(config) }
      let missing = try ranks.maximum([configuration.hasData ? 0 : 1])[0] > 0
      guard missing else { return (configuration, nil) }
      let generated = try ranks.together { try configuration.withGeneratedData() }
      return (
        generated,
        "data: images generated at \(generated.data.size.height)×\(generated.data.size.width); there is no data.root "
          + "'\(configuration.data.root)'"
      )
    }

    private static let noRoot = "(not given)"

    /// A file that lacks nothing but where its data is can be measured all the same.
    private func loaded(_ path: String) throws -> Configuration {
      do { return try Configuration.load(path: path, overrides: overrides) } catch {
        let isGiven = overrides.contains { $0.hasPrefix("data.root") || $0.hasPrefix("data=") }
        let whole = try? Configuration.load(path: path, overrides: overrides + ["data.root=\(Self.noRoot)"])
        guard !isGiven, let whole else { throw error }
        return whole
      }
    }

    private func ofOptions() throws -> Configuration {
      let size = crop ?? 257, width = width ?? 256
      return try Configuration(
        yaml: """
          data: {kind: shapes, labeled: 64, unlabeled: 64, classes: \(classes ?? 12), size: \(size)}
          batch: {labeled: \(labeled ?? 2), unlabeled: \(unlabeled ?? 2)}
          augment: {crop: off, scale: off}
          model: {encoder: \(encoder ?? "resnet50"), width: \(width), features: \(width)}
          """, source: "bench", overrides: threads.map { ["compute.threads=\($0)"] } ?? [])
    }
  }

  struct Step: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Times training steps, phase by phase.",
      discussion: """
        Steps learn from unlabeled images too, unless --set u2pl.enabled=off. With --config they are those of a
        configuration, with its images, augmentation and losses; where data.root is not there, with generated images of its
        crop's size. Without, they are of generated images and of the network that the options describe, with neither scaling
        nor crop. Under mpirun, the batch is the global one. Medians over the timed steps, on rank 0. Convolutions are counted
        by their plain definition, 2 · kernel² · inputs · outputs operations an output pixel, so that work saved shows as
        speed beyond the measured peak. For example:

          u2pl bench step --encoder resnet50 --crop 257 --labeled 2 --unlabeled 2
          u2pl bench step --config configs/camvid.yaml --set data.root=PATH --set augment.strong.blur=2
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
        if let note = measured.note { RankedProcess.show(note, isError: json) }
        RankedProcess.say(json ? measured.json() : measured.table())
      }
    }
  }

  /// Steps timed on all ranks, as rank 0 saw them.
  struct Measured {
    let configuration: Configuration
    /// What to say of the images.
    let note: String?
    let result: StepBenchmark.Result
    /// Operations per second of one rank's matrix products, all ranks at it at once: the least of them.
    let measuredPeak: Double
    /// Peak resident memory of each rank in bytes.
    let peaks: [Int]
    let threads: Int

    init(_ options: StepOptions, ranks: Communicator, exchange: StepBenchmark.Exchange = .always) throws {
      (configuration, note) = try options.configuration(ranks: ranks)
      try ranks.together { try BLAS.load() }
      _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
      threads = ThreadPool.threads
      let before = try MeasuredPeak.measure()
      result = try StepBenchmark(configuration, ranks: ranks).run(
        steps: options.steps, warmup: options.warmup, exchange: exchange)
      // The machine may be shared: what it can do is what it did before or after, whichever is more.
      let own = max(before, try MeasuredPeak.measure())
      measuredPeak = try ranks.allGather([own]).elements.min()!
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

    private var images: Int {
      configuration.batch.labeled + (configuration.u2pl.enabled ? configuration.batch.unlabeled : 0)
    }

    func table() -> String {
      func gibibytes(_ bytes: Int) -> Double { Double(bytes) / 0x1p30 }
      let share = 100 / seconds
      var lines = ["phase                 seconds   share"]
      lines += phases.map {
        $0.name.padding(toLength: 20, withPad: " ", startingAt: 0)
          + String(format: "%9.4f  %5.1f %%", $0.seconds, $0.seconds * share)
      }
      lines += [
        String(
          format: "step                %9.4f  %.2f images/s", seconds, Double(images) / seconds),
        String(
          format: "convolutions        %9.4f  %5.1f %%   %.1f GFLOP, %.1f GFLOP/s", convolutionSeconds,
          convolutionSeconds * share, operations * 1e-9, operations / convolutionSeconds * 1e-9),
        String(
          format: "everything else     %9.4f  %5.1f %%", seconds - convolutionSeconds,
          100 - convolutionSeconds * share),
        String(
          format: "measured peak       %9.1f  GFLOP/s on %d thread%@ of a rank; convolutions at %.1f %% of it",
          measuredPeak * 1e-9, threads, threads == 1 ? "" : "s", operations / convolutionSeconds / measuredPeak * 100),
        String(
          format: "peak memory         %9.2f  GiB on rank 0, %.2f GiB on all %d ranks", gibibytes(peaks[0]),
          gibibytes(peaks.reduce(0, +)), peaks.count),
        String(format: "sent by rank 0      %9.1f  MB a step", Double(result.bytesSent) * 1e-6),
        String(
          format:
            "loading             %9.4f  s for this rank's share of a batch, on a thread of its own beside the steps",
          result.loadingSeconds),
      ]
      if let evidence = result.evidence {
        lines.append(
          String(
            format: "evidence            %9.4f  %5.1f %%   of a step: %d images of %.4f s after every %d steps",
            evidence.secondsOfStep, evidence.secondsOfStep * share, evidence.images, evidence.secondsOfImage,
            evidence.steps))
      }
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
      line.add("measured_peak", measuredPeak)
      line.add("threads", threads)
      line.add("ranks", peaks.count)
      line.add("peak_bytes", peaks)
      line.add("bytes_sent", result.bytesSent)
      line.add("loading_seconds", result.loadingSeconds)
      line.add("evidence_seconds", result.evidence?.secondsOfStep)
      line.add("data", configuration.data.kind == .shapes ? "generated" : "read")
      line.add("exchange_ratios", exchangeRatios)
      return line.text
    }
  }
}
