import Checkpoint
import Configuration
import Files
import Foundation
import Method
import Report
import RunLogs

/// What a run writes on rank 0 for people and for other programs while it goes on: report, status, TensorBoard's
/// events. No resume needs these files; one that cannot be written leads to a warning and does not end the run.
final class RunOutputs {
  private let writer = BackgroundWriter()
  private let report: RunReport?
  private let status: StatusExport?
  private let board: TensorBoardExport?
  private let configuration: Configuration
  private let warn: (String) -> Void
  private var isClosed = false
  /// Errors that a warning was given of.
  private var reported: Set<String> = []
  /// Seconds that the start and the end of a run wait for these files.
  private static let patience = 10.0

  /// - Parameter warn: called with each error, on the caller's thread.
  init(
    _ configuration: Configuration, _ directory: RunDirectory, totalSteps: Int, firstStep: Int,
    warn: @escaping (String) -> Void
  ) {
    self.configuration = configuration
    self.warn = warn
    report = configuration.report ? RunReport(directory, writer: writer) : nil
    status =
      configuration.logs.openmetrics
      ? StatusExport(
        directory, totalSteps: totalSteps, firstStep: firstStep, restarts: Self.restarts(directory), writer: writer)
      : nil
    board =
      configuration.logs.tensorboard
      ? TensorBoardExport(configuration, directory, firstStep: firstStep, writer: writer) : nil
    report?.update(nil)
    // A run that is killed in its first step leaves a report, too.
    writer.wait(seconds: Self.patience)
  }

  /// How often the run was started again: the starts in the log of rank 0, less the first.
  private static func restarts(_ directory: RunDirectory) -> Int {
    var count = 0
    let mark = Array("\"event\":\"start\"".utf8)
    var log = GrowingFile(path: FileSystem.join(directory.logsPath, "rank-0000.jsonl"))
    try? log.read(restart: {}) { line, _ in
      if line.prefix(96).split(separator: mark, maxSplits: 1).count > 1 { count += 1 }
    }
    return max(0, count - 1)
  }

  func step(_ report: StepReport, seconds: Double) {
    let batch = configuration.batch
    status?.step(report, seconds: seconds, images: batch.labeled + (report.alpha == nil ? 0 : batch.unlabeled))
    board?.step(report, seconds: seconds)
    reportErrors()
  }

  /// - Parameter record: nil where the run has no report.
  func evaluated(_ evaluation: FinishedEvaluation, _ record: EvaluationRecord?) {
    status?.evaluated(meanIoU: evaluation.matrix.meanIntersectionOverUnion, best: evaluation.best)
    board?.evaluated(evaluation, record)
    if let record { report?.update(record) }
    reportErrors()
  }

  /// Writes each file for the last time; a second call does nothing.
  func finish() {
    guard !isClosed else { return }
    isClosed = true
    status?.finish()
    board?.finish()
    // A report still in the queue may lack the last lines of the logs.
    writer.wait(seconds: Self.patience)
    report?.update(nil)
    if !writer.wait(seconds: Self.patience) {
      warn("the report was not written within \(Int(Self.patience)) s; the run ends without waiting for it")
    }
    reportErrors()
  }

  /// Seconds of processor time that writing has taken beside training.
  var seconds: Double { writer.seconds }

  /// Each once: a full disk stays full for a while.
  private func reportErrors() {
    for error in writer.drainErrors() where reported.insert(error).inserted { warn(error) }
  }
}

/// What an evaluation has found.
struct FinishedEvaluation {
  let matrix: ConfusionMatrix
  /// `teacher` or `student`.
  let network: String
  /// Steps done.
  let step: Int
  /// The best mean IoU so far.
  let best: Double
}
