import Files
import Foundation

/// How a run is doing, as `metrics.prom`: OpenMetrics text, which collectors of Prometheus' own format read as well.
public struct RunStatus: Sendable {
  /// The run's name, the label of every number.
  public var run = ""
  /// Steps done, and those of the whole run.
  public var step = 0
  public var totalSteps = 0
  public var epoch = 0
  /// By name: `total`, `supervised`, `unsupervised`, `contrastive`.
  public var losses: [(name: String, value: Double)] = []
  public var gamma: Double?
  public var reliableShare: Double?
  public var learningRate: Double?
  public var imagesPerSecond: Double?
  /// Of the last and of the best evaluation, from 0 to 1.
  public var meanIoU: Double?
  public var bestMeanIoU: Double?
  /// When the newest checkpoint was written.
  public var checkpoint: Date?
  /// How often the run has been started again.
  public var restarts = 0
  public var isFinished = false

  public init(run: String) { self.run = run }

  /// - Parameter now: the time of the text.
  public func text(now: Date = Date()) -> String {
    var text = ""
    func add(_ name: String, _ help: String, unit: String = "", _ values: [(labels: String, value: Double?)]) {
      let values = values.compactMap { entry in entry.value.map { (entry.labels, $0) } }.filter { $0.1.isFinite }
      guard !values.isEmpty else { return }
      text += "# TYPE u2pl_\(name) gauge\n"
      if !unit.isEmpty { text += "# UNIT u2pl_\(name) \(unit)\n" }
      text += "# HELP u2pl_\(name) \(help)\n"
      for (labels, value) in values { text += "u2pl_\(name){run=\"\(Self.escaped(run))\"\(labels)} \(value)\n" }
    }
    func add(_ name: String, _ help: String, unit: String = "", _ value: Double?) {
      add(name, help, unit: unit, [("", value)])
    }
    add("step", "Steps done.", Double(step))
    add("steps_planned", "Steps of the whole run.", Double(totalSteps))
    add("epoch", "The epoch of the last step, from 0.", Double(epoch))
    add("loss", "Terms of the last step's loss.", losses.map { (",term=\"\(Self.escaped($0.name))\"", $0.value) })
    add("gamma_nats", "Entropy threshold of pseudo-labels.", unit: "nats", gamma)
    add("reliable_ratio", "Share of unlabeled pixels that keep their pseudo-label.", unit: "ratio", reliableShare)
    add("learning_rate", "Learning rate of the encoder.", learningRate)
    add("images_per_second", "Images trained on, over the last steps.", imagesPerSecond)
    add("miou_ratio", "Mean IoU of the last evaluation.", unit: "ratio", meanIoU)
    add("best_miou_ratio", "Mean IoU of the best evaluation.", unit: "ratio", bestMeanIoU)
    add(
      "checkpoint_timestamp_seconds", "When the newest checkpoint was written.", unit: "seconds",
      checkpoint?.timeIntervalSince1970)
    add(
      "checkpoint_age_seconds", "Age of the newest checkpoint when this was written.", unit: "seconds",
      checkpoint.map { max(0, now.timeIntervalSince($0)) })
    add("restarts", "How often the run has been started again.", Double(restarts))
    add("finished", "Whether the run has done its last step.", isFinished ? 1 : 0)
    add("update_timestamp_seconds", "When this was written.", unit: "seconds", now.timeIntervalSince1970)
    return text + "# EOF\n"
  }

  /// - Throws: `FileError`.
  public func write(to path: String) throws { try FileSystem.replace(path, text: text()) }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}
