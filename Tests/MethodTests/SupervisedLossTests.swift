// Ranks: 1 2 4
import Compute
import Foundation
import Method
import Network
import TestSupport
import Transforms
import XCTest

/// L_s with its options, against the losses of single pixels in double precision.
final class SupervisedLossTests: XCTestCase {
  private let ranks = TestRanks.world
  private let (labeled, size, classes) = (4, 33, 4)
  private var plane: Int { size * size }
  private lazy var labels = blockLabels("ohem", count: labeled, size: size, classes: classes, block: 5)
  private lazy var images = (0..<labeled).map { uniform("ohem image \($0)", 3 * plane).map { $0 * 2 } }

  /// A pixel's class and −ln p of it, of the main head or the auxiliary one.
  private struct PixelLoss {
    let label: Int
    let loss: Double
  }

  /// A trainer after its first step on the images above, and what it was before.
  private func firstStep(model: String = "", loss: String) throws -> (report: StepReport, before: Segmenter) {
    let configuration = try configuration(
      classes: classes,
      """
      batch: {labeled: \(labeled), unlabeled: \(labeled)}
      model: {encoder: resnet18, encoder_width: 0.125, width: 8, features: 8, dilations: [1, 2, 3], dropout: 0\(model)}
      schedule: {epochs: 1, steps_per_epoch: 2, supervised_epochs: 0}
      u2pl: {enabled: off, low_rank: 1, high_rank: 3}
      loss: {\(loss)}
      """)
    let trainer = try U2PLTrainer(
      configuration, schedule: Schedule(configuration, labeledCount: 8, unlabeledCount: 8), ranks: ranks)
    fillNamed(trainer.student)
    let before = Segmenter(trainer.student.shape, trainable: false)
    before.parameters.copy(from: trainer.student.parameters)
    let mine = ranks.rank * labeled / ranks.size..<(ranks.rank + 1) * labeled / ranks.size
    let examples = mine.map { slot in
      Example(
        height: size, width: size, pixels: images[slot], labels: Array(labels[slot * plane..<(slot + 1) * plane]))
    }
    return (try trainer.step(Batch(step: 0, labeled: examples, unlabeled: [], identifiers: [])), before)
  }

  /// Of every pixel that is not ignore, by one process for the whole batch.
  private func pixelLosses(_ network: Segmenter) throws -> (main: [PixelLoss], auxiliary: [PixelLoss]) {
    let x = Tensor(count: labeled, height: size, width: size, channels: 3)
    for (n, image) in images.enumerated() { x.sample(n).update(from: image, count: image.count) }
    let output = try network.forward(
      x, representation: false,
      Pass(mode: .training, recordsForBackward: true, tree: SlotTree(labeled: labeled, unlabeled: 0), kind: .labeled))
    func losses(_ logits: Tensor) -> [PixelLoss] {
      let pixels = UpsampledPixels(logits: logits, height: size, width: size)
      return (0..<labeled).flatMap { sample in
        let upsampled = pixels.upsampled(logits, sample: sample).map(Double.init)
        return (0..<plane).compactMap { p -> PixelLoss? in
          let label = labels[sample * plane + p]
          guard label != ignoreLabel else { return nil }
          let sum = (0..<classes).reduce(0.0) { $0 + exp(upsampled[$1 * plane + p]) }
          return PixelLoss(label: Int(label), loss: log(sum) - upsampled[Int(label) * plane + p])
        }
      }
    }
    return (losses(output.logits), output.auxiliary.map(losses) ?? [])
  }

  private func requireDivisible() throws {
    guard labeled % ranks.size == 0 else { throw XCTSkip("SKIPPED: \(labeled) samples on \(ranks.size) ranks") }
  }

  /// The kept pixels found by a sort over the global batch.
  func testHardExampleMining() throws {
    try requireDivisible()
    let valid = labels.count { $0 != ignoreLabel }
    for (threshold, minKept, kept) in [
      (0.2, 5, -1), (0.01, 700, 700), (1e-6, 1, 1), (0.01, 1_000_000, valid), (1, 1, valid),
    ] {
      let (report, before) = try firstStep(loss: "ohem: {threshold: \(threshold), min_kept: \(minKept)}")
      let losses = try pixelLosses(before).main.map(\.loss).sorted(by: >)
      XCTAssertEqual(losses.count, valid)
      let hardest = max(losses.count { $0 >= -log(threshold) }, min(minKept, losses.count))
      if kept >= 0 { XCTAssertEqual(hardest, kept) }
      let expected = losses.prefix(hardest).reduce(0, +) / Double(hardest)
      XCTAssertTrue(
        agree(report.supervised, expected, 1e-5),
        "threshold \(threshold), min_kept \(minKept): \(report.supervised), by a sort \(expected)")
    }
  }

  /// The mean cross-entropy plus the weight times 1 − mean over classes of 2 Σ p·y / (Σ p + Σ y), over the global batch.
  func testDice() throws {
    try requireDivisible()
    let (report, before) = try firstStep(loss: "dice: 0.8")
    let losses = try pixelLosses(before).main
    let sums = try probabilities(before)
    var overlap = [Double](repeating: 0, count: classes), size = overlap
    for (label, p) in sums {
      for c in 0..<classes { size[c] += p[c] }
      overlap[label] += p[label]
      size[label] += 1
    }
    let dice = 1 - (0..<classes).reduce(0) { $0 + 2 * overlap[$1] / size[$1] } / Double(classes)
    let expected = losses.reduce(0) { $0 + $1.loss } / Double(losses.count) + 0.8 * dice
    XCTAssertTrue(agree(report.supervised, expected, 1e-5), "\(report.supervised), by hand \(expected)")
  }

  /// Label and probabilities of every pixel that is not ignore.
  private func probabilities(_ network: Segmenter) throws -> [(label: Int, p: [Double])] {
    let x = Tensor(count: labeled, height: size, width: size, channels: 3)
    for (n, image) in images.enumerated() { x.sample(n).update(from: image, count: image.count) }
    let logits = try network.forward(
      x, representation: false,
      Pass(mode: .training, recordsForBackward: true, tree: SlotTree(labeled: labeled, unlabeled: 0), kind: .labeled)
    ).logits
    let pixels = UpsampledPixels(logits: logits, height: size, width: size)
    return (0..<labeled).flatMap { sample in
      let upsampled = pixels.upsampled(logits, sample: sample).map(Double.init)
      return (0..<plane).compactMap { p -> (label: Int, p: [Double])? in
        let label = labels[sample * plane + p]
        guard label != ignoreLabel else { return nil }
        let exps = (0..<classes).map { exp(upsampled[$0 * plane + p]) }
        let sum = exps.reduce(0, +)
        return (Int(label), exps.map { $0 / sum })
      }
    }
  }

  /// PyTorch's weighted mean: Σ w_y · ce / Σ w_y.
  func testClassWeights() throws {
    try requireDivisible()
    let weights = [0.25, 3, 0, 1.5]
    let (report, before) = try firstStep(loss: "class_weights: [0.25, 3, 0, 1.5]")
    let losses = try pixelLosses(before).main
    let total = losses.reduce(0) { $0 + weights[$1.label] }
    let expected = losses.reduce(0) { $0 + weights[$1.label] * $1.loss } / total
    XCTAssertTrue(agree(report.supervised, expected, 1e-5), "\(report.supervised), by hand \(expected)")
    XCTAssertFalse(
      agree(report.supervised, losses.reduce(0) { $0 + $1.loss } / Double(losses.count), 1e-2), "weights change nothing"
    )
  }

  /// The mean of the main head plus the weight times the mean of the auxiliary one, which knows no class weights.
  func testAuxiliaryHead() throws {
    try requireDivisible()
    let (report, before) = try firstStep(model: ", auxiliary: on", loss: "auxiliary_weight: 0.7, class_weights: null")
    let (main, auxiliary) = try pixelLosses(before)
    XCTAssertEqual(auxiliary.count, main.count)
    func mean(_ losses: [PixelLoss]) -> Double { losses.reduce(0) { $0 + $1.loss } / Double(losses.count) }
    let expected = mean(main) + 0.7 * mean(auxiliary)
    XCTAssertTrue(agree(report.supervised, expected, 1e-5), "\(report.supervised), by hand \(expected)")
  }
}
