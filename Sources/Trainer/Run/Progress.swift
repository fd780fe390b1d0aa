import Foundation
import Method

/// What rank 0 shows while training: a line every few seconds and at the end of each epoch.
///
/// Whole lines rather than one that is rewritten: under `mpirun` output passes through pipes into terminals, files and
/// batch logs alike.
struct Progress {
  var schedule: Schedule
  private let imagesPerSupervisedStep: Int
  private let imagesPerSemiSupervisedStep: Int
  private let lambdaC: Double
  private let interval: Double
  private var lastShown = -Double.infinity
  /// Smoothed seconds a step, apart for the two kinds, which differ several times over.
  private var supervisedSeconds: Double?
  private var semiSupervisedSeconds: Double?

  init(_ trainer: U2PLTrainer, interval: Double = 5) {
    schedule = trainer.schedule
    let batch = trainer.configuration.batch
    imagesPerSupervisedStep = batch.labeled
    imagesPerSemiSupervisedStep = batch.labeled + batch.unlabeled
    lambdaC = trainer.configuration.u2pl.lambdaC
    self.interval = interval
  }

  /// The line to show after a step, nil where it is too soon for one.
  mutating func line(_ report: StepReport, seconds elapsed: Double, now: Double = ProcessInfo.processInfo.systemUptime)
    -> String?
  {
    let semiSupervised = report.alpha != nil
    func smooth(_ value: Double?) -> Double { value.map { 0.95 * $0 + 0.05 * elapsed } ?? elapsed }
    if semiSupervised {
      semiSupervisedSeconds = smooth(semiSupervisedSeconds)
    } else {
      supervisedSeconds = smooth(supervisedSeconds)
    }
    let last = (report.step + 1) % schedule.stepsPerEpoch == 0
    guard last || now - lastShown >= interval else { return nil }
    lastShown = now

    let seconds = (semiSupervised ? semiSupervisedSeconds : supervisedSeconds)!
    let images = semiSupervised ? imagesPerSemiSupervisedStep : imagesPerSupervisedStep
    var parts = [
      "epoch \(report.epoch + 1)/\(schedule.epochs)", "step \(report.step + 1)/\(schedule.totalSteps)",
      semiSupervised
        ? String(
          format: "loss %.4f = %.4f + %.4f + %g·%.4f", report.loss, report.supervised, report.unsupervised,
          lambdaC * (report.weight ?? 1), report.contrastive)
        : String(format: "loss %.4f", report.loss),
    ]
    if let gamma = report.gamma { parts.append(String(format: "γ %.4f", gamma)) }
    if let share = report.reliableShare {
      parts.append(String(format: "reliable %.1f %%", share * 100))
    }
    parts.append(String(format: "lr %.2e", report.learningRate))
    parts.append(String(format: "%.1f images/s", Double(images) / seconds))
    parts.append("\(duration(remaining(after: report.step))) left")
    return parts.joined(separator: "  ")
  }

  /// Seconds still to go. A semi-supervised step is taken for four supervised ones until one has been seen: three
  /// forward passes more, over twice the images.
  private func remaining(after step: Int) -> Double {
    let first = schedule.firstSemiSupervisedStep
    let supervisedLeft = max(0, first - step - 1)
    let semiSupervisedLeft = schedule.totalSteps - max(first, step + 1)
    return Double(supervisedLeft) * (supervisedSeconds ?? 0)
      + Double(semiSupervisedLeft) * (semiSupervisedSeconds ?? 4 * (supervisedSeconds ?? 0))
  }
}

/// Seconds as 0:07, 12:34 or 3:05:00.
package func duration(_ seconds: Double) -> String {
  let s = Int(seconds.rounded())
  return s >= 3600
    ? String(format: "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60) : String(format: "%d:%02d", s / 60, s % 60)
}
