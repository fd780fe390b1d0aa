import ArgumentParser
import Checkpoint
import Compute
import Configuration
import Distributed
import Foundation
import Measurement
import Trainer

extension Bench {
  struct Checkpoint: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Times checkpoints: bytes a second beside h5py, and training with them beside training without, by turns.",
      discussion: """
        Writing, of the state of CamVid's model with a full memory bank, or of another configuration's:

          u2pl bench checkpoint --directory /scratch --h5py Benchmarks/checkpoint-h5py.py

        h5py writes the same data in the same chunks with the same checksums, and synchronises the file as u2pl does.

        Training, in blocks of 40 steps without and with a checkpoint every 10:

          mpirun -n 2 u2pl bench checkpoint --config configs/camvid.yaml --set data.root=PATH --blocks 20
        """)

    @Option(
      help: ArgumentHelp("The configuration; CamVid's model on generated images if not given.", valueName: "file"))
    var config: String?
    @Option(name: .customLong("set"), help: ArgumentHelp("Sets one key; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []
    @Option(help: "Where files are written, and removed afterwards.") var directory = "."
    @Option(help: "Times that a checkpoint is written.") var writes = 7
    @Option(help: ArgumentHelp("Benchmarks/checkpoint-h5py.py, to write with h5py by turns.", valueName: "script"))
    var h5py: String?
    @Option(help: "Python that has h5py.") var python = "/usr/bin/python3"
    @Option(help: "Blocks of training steps; 0 for none. At least 4.") var blocks = 0
    @Option(help: "Steps of a block.") var steps = 40
    @Option(help: "Steps from one checkpoint to the next.") var every = 10

    func validate() throws {
      guard writes >= 0, blocks == 0 || blocks >= 4, every > 0, steps >= every else {
        throw ValidationError("--writes must not be negative, --blocks 0 or at least 4, --steps at least --every")
      }
    }

    func run() throws {
      try RankedProcess.run { ranks in
        let configuration = try ranks.together {
          guard let config else {
            return try Configuration(yaml: Self.camVid, source: "bench", overrides: overrides)
          }
          return try Configuration.load(path: config, overrides: overrides)
        }
        try ranks.together { try BLAS.load() }
        _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
        var folder = ""
        try ranks.together {
          if ranks.rank == 0 { folder = try makeFolder() }
        }
        folder = try ranks.broadcast(folder, from: 0)
        defer { if ranks.rank == 0 { try? FileManager.default.removeItem(atPath: folder) } }
        let benchmark = CheckpointBenchmark(configuration, ranks: ranks)
        let state = try benchmark.fullState()
        if ranks.rank == 0, writes > 0 { try write(state, in: folder) }
        if blocks > 0 {
          let found = try benchmark.train(
            blocks: blocks, steps: steps, every: every, into: RunDirectory(path: "\(folder)/run"))
          if ranks.rank == 0 { show(found) }
        }
      }
    }

    private func makeFolder() throws -> String {
      let folder = "\(directory)/u2pl-bench-\(ProcessInfo.processInfo.processIdentifier)"
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
      } catch {
        throw CheckpointError(description: "\(folder): cannot be made; choose another --directory")
      }
      return folder
    }

    // MARK: Writing

    private func write(_ state: CheckpointContents, in folder: String) throws {
      let bytes = state.datasets.values.reduce(0) { $0 + $1.bytes }
      RankedProcess.say(
        String(
          format: "%d datasets, %.1f MB; medians of %d, by turns", state.datasets.count, Double(bytes) * 1e-6, writes))
      // A first one warms both up, and is what h5py gets to write.
      let sample = "\(folder)/sample.h5"
      try CheckpointFile.write(state, to: sample)
      let peer = try h5py.map { try H5PyWriter(python: python, script: $0, sample: sample) }
      _ = try peer?.write("\(folder)/h5py.h5")
      var own: [Double] = [], others: [Double] = []
      for _ in 0..<writes {
        let start = ProcessInfo.processInfo.systemUptime
        try CheckpointFile.write(state, to: "\(folder)/u2pl.h5")
        own.append(ProcessInfo.processInfo.systemUptime - start)
        if let peer { others.append(try peer.write("\(folder)/h5py.h5")) }
      }
      let rate = { (seconds: Double) in Double(bytes) * 1e-6 / seconds }
      RankedProcess.say(String(format: "u2pl   %8.3f s  %8.1f MB/s", median(own), rate(median(own))))
      guard peer != nil else { return }
      RankedProcess.say(String(format: "h5py   %8.3f s  %8.1f MB/s", median(others), rate(median(others))))
      let ratio = median(zip(own, others).map { $1 / $0 })
      RankedProcess.say(String(format: "u2pl writes %.2f × the bytes a second that h5py does (at least 0.7)", ratio))
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    // MARK: Training

    /// Neighbours are compared, the mean of the blocks before and after one with checkpoints: a machine that grows slower by and
    /// by makes no difference.
    private func show(_ found: [CheckpointBenchmark.Block]) {
      RankedProcess.say("blocks of \(steps) steps, with a checkpoint every \(every) steps or none")
      var all = (with: 0.0, without: 0.0)
      for (kind, semiSupervised) in [("supervised", false), ("semi-supervised", true)] {
        let of = Array(found.filter { $0.semiSupervised == semiSupervised }.dropFirst())
        var ratios: [Double] = [], with: [Double] = [], without: [Double] = [], copying: [Double] = []
        for (i, block) in of.enumerated() where block.withCheckpoints && i > 0 && i + 1 < of.count {
          let around = (of[i - 1].seconds + of[i + 1].seconds) / 2
          ratios.append(block.seconds / around)
          with.append(block.seconds)
          without.append(around)
          copying.append(block.copying)
          all.with += block.seconds
          all.without += around
        }
        guard !ratios.isEmpty else { continue }
        let text = kind.padding(toLength: 16, withPad: " ", startingAt: 0)
        RankedProcess.say(
          String(
            format:
              "%@ without %.3f s, with %.3f s (%.3f s of it comparing and copying), ratio %.3f (%d pairs, %.3f to %.3f)",
            text, median(without), median(with), median(copying), median(ratios), ratios.count, ratios.min()!,
            ratios.max()!))
      }
      guard all.without > 0 else { return }
      RankedProcess.say(
        String(
          format: "together         without %.3f s, with %.3f s, ratio %.3f (at most 1.03)", all.without, all.with,
          all.with / all.without))
    }

    /// `configs/camvid.yaml`, whose classes a data set would have to name.
    private static let camVid = """
      data: {kind: shapes, labeled: 64, unlabeled: 64, classes: 11, size: 161}
      batch: {labeled: 4, unlabeled: 4}
      augment: {crop: [161, 161]}
      model: {encoder: resnet18, encoder_width: 0.5, multi_grid: off, width: 64, features: 64, dilations: [3, 6, 9]}
      schedule: {epochs: 20, steps_per_epoch: 40, supervised_epochs: 10}
      u2pl: {capacity: 10000, high_rank: 10}
      """
  }
}

/// `Benchmarks/checkpoint-h5py.py` at work: it has read a checkpoint and writes its data again at each request.
private final class H5PyWriter {
  private let process = Process()
  private let requests = Pipe()
  private let answers = Pipe()

  init(python: String, script: String, sample: String) throws {
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = [script, sample]
    process.standardInput = requests
    process.standardOutput = answers
    do { try process.run() } catch {
      throw CheckpointError(description: "\(python) cannot be started: \(error.localizedDescription)")
    }
    _ = try answer()
  }

  deinit {
    try? requests.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// Seconds it took.
  func write(_ path: String) throws -> Double {
    try requests.fileHandleForWriting.write(contentsOf: Data((path + "\n").utf8))
    let text = try answer()
    guard let seconds = Double(text) else { throw CheckpointError(description: "h5py: \(text)") }
    return seconds
  }

  private func answer() throws -> String {
    var line: [UInt8] = []
    while let byte = try answers.fileHandleForReading.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") {
      line.append(byte)
    }
    guard !line.isEmpty else { throw CheckpointError(description: "h5py has ended; its messages are above") }
    return String(decoding: line, as: UTF8.self)
  }
}
