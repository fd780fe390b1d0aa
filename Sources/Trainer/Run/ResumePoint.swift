import Checkpoint
import Configuration
import Distributed
import HDF5
import Method
import RunLogs

/// The checkpoint that a run goes on from, found before anything of the run is made: its threads are the run's.
final class ResumePoint {
  /// The same on all ranks.
  let path: String
  /// On rank 0, until it is taken.
  private var contents: CheckpointContents?
  /// Checkpoints that could not be read, and what to say of each; on rank 0.
  let skipped: [(path: String, line: String)]
  /// The threads of a rank that it was computed with, on all ranks; nil where they were unequal or are not known.
  let threads: Int?

  /// `data.range` of its run, on all ranks, where that is of percentiles.
  private let range: Configuration.Data.ValueRange?

  private init(
    path: String, contents: CheckpointContents?, skipped: [(path: String, line: String)], threads: Int?,
    range: Configuration.Data.ValueRange?
  ) {
    (self.path, self.contents, self.skipped, self.threads) = (path, contents, skipped, threads)
    self.range = range
  }

  /// A configuration whose percentiles are those that the run has found when it began, where they are the same ones.
  func knowingRange(_ configuration: Configuration) -> Configuration {
    guard case .percentiles(let percentiles, found: nil) = configuration.data.range,
      case .percentiles(percentiles, let found?)? = range
    else { return configuration }
    var configuration = configuration
    configuration.data.range = .percentiles(percentiles, found: found)
    return configuration
  }

  /// What rank 0 has read, once: it is as large as the run's state.
  func take() -> CheckpointContents? {
    defer { contents = nil }
    return contents
  }

  /// Collective.
  ///
  /// - Returns: nil where there is no checkpoint at all yet.
  /// - Throws: ``CollectiveFailure`` on every rank where a checkpoint is there and none can be read.
  static func find(
    _ source: TrainingRun.Resume.Source, in directory: RunDirectory, ranks: Communicator
  ) throws -> ResumePoint? {
    var found: (path: String, contents: CheckpointContents)?
    var skipped: [(path: String, line: String)] = []
    try ranks.together {
      guard ranks.rank == 0 else { return }
      func newest(of directory: RunDirectory) throws {
        found = try directory.newestGood { path, error in
          skipped.append((path, "\(path) skipped: \(error.description.trimmingPrefix("\(path): "))"))
        }
        if found == nil, !skipped.isEmpty {
          throw CheckpointError(
            description: (skipped.map(\.line) + [
              "no checkpoint of \(directory.path) can be read; --resume PATH takes a copy, another --run starts from the beginning"
            ]).joined(separator: "\n"))
        }
      }
      switch source {
      case .latest: try newest(of: directory)
      case .path(let path):
        guard let run = RunDirectory.at(path) else {
          found = (path, try CheckpointFile.read(path))
          break
        }
        try newest(of: run)
        if found == nil { throw CheckpointError(description: "\(path): this run has no checkpoint yet") }
      }
    }
    let path = try ranks.broadcast(found?.path ?? "", from: 0)
    guard !path.isEmpty else { return nil }
    let threads = try ranks.broadcast([found?.contents.threads ?? 0], from: 0)[0]
    let range = try ranks.broadcast(found?.contents.range ?? [0, 0, 0, 0], from: 0)
    return ResumePoint(
      path: path, contents: found?.contents, skipped: skipped, threads: threads > 0 ? threads : nil,
      range: range[0] < range[1] ? .percentiles(range[0]...range[1], found: range[2]...range[3]) : nil)
  }
}

/// What the bits of a run depend on beside its configuration: kept in every checkpoint.
struct NumericFacts: Equatable {
  /// Of each rank; nil where they differ from rank to rank.
  var threads: Int?
  /// Version and instruction set.
  var oneDNN: String
  /// Version and kernels.
  var openBLAS: String

  init(threads: Int?, oneDNN: String, openBLAS: String) {
    (self.threads, self.oneDNN, self.openBLAS) = (threads, oneDNN, openBLAS)
  }

  /// Those of this rank, and whether all ranks have as many threads. Collective.
  init(_ facts: ProcessFacts, _ ranks: Communicator) throws {
    let own = Int64(facts.threads)
    let isSame = try ranks.maximum([own, -own]) == [own, -own]
    self.init(threads: isSame ? facts.threads : nil, oneDNN: facts.oneDNN, openBLAS: facts.openBLAS)
  }

  /// nil for a checkpoint of a version that did not keep them.
  init?(_ contents: CheckpointContents) {
    guard case .string(let oneDNN)? = contents.attributes["onednn"],
      case .string(let openBLAS)? = contents.attributes["openblas"]
    else { return nil }
    self.init(threads: contents.threads, oneDNN: oneDNN, openBLAS: openBLAS)
  }

  var attributes: [String: AttributeValue] {
    var attributes: [String: AttributeValue] = ["onednn": .string(oneDNN), "openblas": .string(openBLAS)]
    if let threads { attributes["threads"] = .int(Int64(threads)) }
    return attributes
  }

  /// What differs from those that a checkpoint was computed with, in a line each.
  func changes(since old: NumericFacts) -> [String] {
    let bits = "the rest of the run has other bits than it would have had without this resume"
    var lines: [String] = []
    switch (old.threads, threads) {
    case (let then?, let now?) where then != now:
      lines.append(
        "threads of a rank \(then) → \(now): some sums are split by threads and round differently, so \(bits)")
    case (nil, let now?):
      lines.append("threads of a rank differed from rank to rank, and are \(now) for all: \(bits)")
    case (let then?, nil): lines.append("threads of a rank were \(then), and now differ from rank to rank: \(bits)")
    default: break
    }
    if oneDNN != old.oneDNN {
      lines.append("oneDNN \(old.oneDNN) → \(oneDNN): its convolutions may round differently, so \(bits)")
    }
    if openBLAS != old.openBLAS {
      lines.append("OpenBLAS \(old.openBLAS) → \(openBLAS): its products may round differently, so \(bits)")
    }
    return lines
  }
}

extension CheckpointContents {
  fileprivate var threads: Int? {
    if case .int(let threads)? = attributes["threads"] { Int(threads) } else { nil }
  }

  /// Percentiles of `data.range`, and what they were found to be; nil where there are none.
  fileprivate var range: [Double]? {
    guard case .string(let yaml)? = attributes["config"],
      let range = try? Configuration(yaml: yaml, source: "config").data.range,
      case .percentiles(let percentiles, let found?) = range
    else { return nil }
    return [percentiles.lowerBound, percentiles.upperBound, found.lowerBound, found.upperBound]
  }
}
