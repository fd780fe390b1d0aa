import Checkpoint
import Configuration
import Files
import Foundation
import Method
import Report
import TensorBoard

/// Writes TensorBoard's events of a run, on rank 0.
final class TensorBoardExport: @unchecked Sendable {
  private let writer: BackgroundWriter
  private let directory: RunDirectory
  private let classNames: [String]
  private var waiting: [EventLog.Event] = []
  private var lastWritten = -Double.infinity
  // Used on the writer's thread alone.
  private let log: EventLog
  /// Seconds between two writings, and events that wait for one at most.
  private static let interval = 2.0
  private static let mostWaiting = 256

  init(_ configuration: Configuration, _ directory: RunDirectory, firstStep: Int, writer: BackgroundWriter) {
    self.writer = writer
    self.directory = directory
    classNames = configuration.data.classNames ?? (0..<configuration.data.classes).map(String.init)
    log = EventLog(
      directory: directory.tensorBoardPath, firstStep: firstStep, host: ProcessInfo.processInfo.hostName)
  }

  func step(_ report: StepReport, seconds: Double) {
    let values: [(String, Double?)] = [
      ("loss/total", report.loss), ("loss/supervised", report.supervised),
      ("loss/unsupervised", report.alpha == nil ? nil : report.unsupervised),
      ("loss/contrastive", report.alpha == nil ? nil : report.contrastive), ("u2pl/gamma", report.gamma),
      ("u2pl/alpha", report.alpha), ("u2pl/reliable_share", report.reliableShare),
      ("u2pl/confidence", report.confidence), ("u2pl/weight", report.weight),
      ("optimizer/learning_rate", report.learningRate), ("optimizer/gradient_norm", report.gradientNorm),
      ("time/step_seconds", seconds),
    ]
    add(report.step, values.compactMap { tag, value in value.map { .scalar(tag, $0) } })
    let now = ProcessInfo.processInfo.systemUptime
    if now - lastWritten >= Self.interval || waiting.count >= Self.mostWaiting {
      lastWritten = now
      flush()
    }
  }

  /// - Parameter record: its pictures are written if they are of this evaluation; nil for none.
  func evaluated(_ evaluation: FinishedEvaluation, _ record: EvaluationRecord?) {
    let matrix = evaluation.matrix
    var values: [EventLog.Value] = [
      .scalar("evaluation/mean_iou", matrix.meanIntersectionOverUnion),
      .scalar("evaluation/pixel_accuracy", matrix.pixelAccuracy), .scalar("evaluation/mean_dice", matrix.meanDice),
    ]
    for (name, iou) in zip(classNames, matrix.intersectionOverUnion) {
      if let iou { values.append(.scalar("iou/\(name)", iou)) }
    }
    add(evaluation.step - 1, values)
    flush()
    guard let record, record.pictureSteps == evaluation.step else { return }
    let folder = EvaluationRecord.picturesPath(directory.path), step = evaluation.step - 1
    writer.write("TensorBoard's pictures") { [self] in
      let pictures = record.pictures.enumerated().flatMap { number, picture in
        picture.files.compactMap { file -> EventLog.Value? in
          guard let bytes = FileManager.default.contents(atPath: FileSystem.join(folder, file.name))
          else { return nil }
          return .picture("\(picture.list)-\(number + 1)/\(file.kind)", png: bytes)
        }
      }
      try log.append([EventLog.Event(step: step, pictures)])
    }
  }

  func finish() { flush() }

  private func add(_ step: Int, _ values: [EventLog.Value]) { waiting.append(EventLog.Event(step: step, values)) }

  private func flush() {
    guard !waiting.isEmpty else { return }
    let events = waiting
    waiting = []
    writer.write("TensorBoard's events") { [self] in try log.append(events) }
  }
}
