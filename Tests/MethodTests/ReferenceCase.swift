import Configuration
import Distributed
import Foundation
import Method
import TestSupport
import Transforms

/// A training run of the PyTorch reference: its settings, and how to feed the same images to the trainer.
struct ReferenceCase: Decodable {
  struct Settings: Decodable {
    let depth, classes, width, features, epochs, steps_per_epoch, low_rank, high_rank, anchors, negatives: Int
    let enqueue_per_step: Int
    let dilations, capacity: [Int]
    let multi_grid: Bool
    let dropout, lr, head_lr_factor, weight_decay, alpha0, delta_p, temperature, lambda_c, ema_decay: Double
    let seed: UInt64
  }
  struct Step: Decodable {
    let loss, supervised, unsupervised, contrastive, gamma, alpha: Double
    let reliable: Int
    /// |A_c|, |N_c|, length of Q_c.
    let classes: [[Int]]
  }
  let name: String
  let config: Settings
  let size, labeled, unlabeled: Int
  let steps: [Step]

  /// A trainer with the reference's weights and settings.
  func trainer(_ ranks: Communicator) throws -> U2PLTrainer {
    let trainer = try Self.trainer(config, size: size, labeled: labeled, unlabeled: unlabeled, ranks)
    return trainer
  }

  static func trainer(
    _ c: Settings, size: Int, labeled: Int, unlabeled: Int, _ ranks: Communicator
  ) throws -> U2PLTrainer {
    let yaml = """
      run: {seed: \(c.seed)}
      data: {kind: shapes, labeled: 8, unlabeled: 8, classes: \(c.classes), shuffle: false, size: \(size)}
      batch: {labeled: \(labeled), unlabeled: \(unlabeled)}
      augment: off
      model: {encoder: resnet\(c.depth), multi_grid: \(c.multi_grid), width: \(c.width), features: \(c.features),
              dilations: \(c.dilations), dropout: \(c.dropout)}
      optimizer: {learning_rate: \(c.lr), head_factor: \(c.head_lr_factor), weight_decay: \(c.weight_decay)}
      schedule: {epochs: \(c.epochs), steps_per_epoch: \(c.steps_per_epoch), supervised_epochs: 0}
      u2pl: {alpha0: \(c.alpha0), delta_p: \(c.delta_p), low_rank: \(c.low_rank), high_rank: \(c.high_rank),
             anchors: \(c.anchors), negatives: \(c.negatives), temperature: \(c.temperature), capacity: \(c.capacity),
             enqueue_per_step: \(c.enqueue_per_step), lambda_c: \(c.lambda_c), ema_decay: \(c.ema_decay)}
      """
    let configuration = try Configuration(yaml: yaml, source: "reference", overrides: [])
    let schedule = Schedule(configuration, labeledCount: 8, unlabeledCount: 8)
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    fillNamed(trainer.student)
    fillNamed(trainer.teacher)
    return trainer
  }

  /// This rank's share of the reference's batch of a step.
  static func batch(
    step: Int, size: Int, labeled: Int, unlabeled: Int, classes: Int, _ ranks: Communicator
  ) -> Batch {
    func images(_ name: String, _ count: Int) -> [[Float]] {
      let nchw = uniform(name, count * 3 * size * size).map { $0 * 2 }
      let nhwc = channelsLast(nchw, [count, 3, size, size])
      let one = 3 * size * size
      return (0..<count).map { Array(nhwc[$0 * one..<($0 + 1) * one]) }
    }
    let labels = blockLabels("yl\(step)", count: labeled, size: size, classes: classes)
    let plane = size * size
    func share(_ count: Int) -> Range<Int> { ranks.rank * count / ranks.size..<(ranks.rank + 1) * count / ranks.size }
    let xl = images("xl\(step)", labeled), xu = images("xu\(step)", unlabeled)
    return Batch(
      step: step,
      labeled: share(labeled).map {
        Example(height: size, width: size, pixels: xl[$0], labels: Array(labels[$0 * plane..<($0 + 1) * plane]))
      },
      unlabeled: share(unlabeled).map {
        Example(height: size, width: size, pixels: xu[$0], labels: [UInt8](repeating: 0, count: plane))
      },
      identifiers: [])
  }
}
