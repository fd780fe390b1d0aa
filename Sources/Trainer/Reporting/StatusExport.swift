import Checkpoint
import Foundation
import Method
import Report

/// Keeps `metrics.prom` of a run up to date, on rank 0.
final class StatusExport {
  private let directory: RunDirectory
  private let writer: BackgroundWriter
  private var status: RunStatus
  private var lastWritten = -Double.infinity
  /// Images and seconds of steps since the file was written last.
  private var images = 0
  private var seconds = 0.0
  /// Seconds between two writings.
  private static let interval = 10.0

  /// - Parameter firstStep: the steps that the run has done already.
  init(_ directory: RunDirectory, totalSteps: Int, firstStep: Int, restarts: Int, writer: BackgroundWriter) {
    self.directory = directory
    self.writer = writer
    status = RunStatus(run: URL(fileURLWithPath: directory.path).standardizedFileURL.lastPathComponent)
    (status.step, status.totalSteps) = (firstStep, totalSteps)
    status.restarts = restarts
  }

  func step(_ report: StepReport, seconds: Double, images: Int) {
    status.step = report.step + 1
    status.epoch = report.epoch
    status.losses = [
      ("total", report.loss), ("supervised", report.supervised), ("unsupervised", report.unsupervised),
      ("contrastive", report.contrastive),
    ]
    status.gamma = report.gamma
    status.reliableShare = report.reliableShare
    status.learningRate = report.learningRate
    self.images += images
    self.seconds += seconds
    let now = ProcessInfo.processInfo.systemUptime
    if now - lastWritten >= Self.interval {
      lastWritten = now
      write()
    }
  }

  func evaluated(meanIoU: Double, best: Double) {
    (status.meanIoU, status.bestMeanIoU) = (meanIoU, best)
    write()
  }

  func finish() {
    status.isFinished = status.step > 0 && status.step == status.totalSteps
    write()
  }

  private func write() {
    if seconds > 0 { status.imagesPerSecond = Double(images) / seconds }
    (images, seconds) = (0, 0)
    let (old, directory) = (status, directory)
    writer.write("status", newest: true) {
      var status = old
      let newest = try? directory.checkpoints().first?.path
      let facts = newest.flatMap { try? FileManager.default.attributesOfItem(atPath: $0) }
      status.checkpoint = facts?[.modificationDate] as? Date
      try status.write(to: directory.openMetricsPath)
    }
  }
}
