import Foundation

/// What metrics.jsonl says of a run, as far as it has come.
package struct RunProgress: Sendable, Equatable {
  package struct Evaluation: Sendable, Equatable {
    package let step: Int
    package let network: String
    package let meanIoU: Double
  }

  /// The last step that is done, counted from 0; nil where none is.
  package private(set) var step: Int?
  package private(set) var epoch: Int?
  package private(set) var loss = Curve()
  package private(set) var gamma = Curve()
  package private(set) var reliable = Curve()
  package private(set) var learningRate: Double?
  package private(set) var gradientNorm: Double?
  /// Of a step, smoothed.
  package private(set) var seconds: Double?
  package private(set) var evaluations: [Evaluation] = []
  /// Lines that are no metrics.
  package private(set) var damaged = 0

  package init() {}

  package var best: Evaluation? { evaluations.max { ($0.meanIoU, $1.step) < ($1.meanIoU, $0.step) } }

  /// Takes a line of metrics.jsonl.
  package mutating func add(_ line: some Collection<UInt8>) {
    guard let object = (try? JSONSerialization.jsonObject(with: Data(line))) as? [String: Any],
      let step = object["step"] as? Int
    else {
      damaged += 1
      return
    }
    epoch = object["epoch"] as? Int ?? epoch
    if let evaluation = object["evaluation"] as? [String: Any] {
      guard let meanIoU = evaluation["mean_iou"] as? Double else { return }
      evaluations.append(
        Evaluation(step: step, network: evaluation["network"] as? String ?? "", meanIoU: meanIoU))
      return
    }
    self.step = step
    func number(_ key: String) -> Double? { object[key] as? Double }
    if let value = number("loss") { loss.add(value, step: step) }
    if let value = number("gamma") { gamma.add(value, step: step) }
    if let value = number("reliable_share") { reliable.add(value, step: step) }
    learningRate = number("learning_rate") ?? learningRate
    gradientNorm = number("gradient_norm")
    if let value = number("seconds") { seconds = seconds.map { 0.95 * $0 + 0.05 * value } ?? value }
  }
}
