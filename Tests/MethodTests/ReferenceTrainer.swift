import Configuration
import Transforms
import Distributed
import Foundation
import Network
import TestSupport
import Method

/// The trainer under test with the weights and settings of a case of the reference. All that the golden tests know of
/// the trainer is here.
struct ReferenceTrainer {
  private let trainer: U2PLTrainer
  private let ranks: Communicator
  private let reference: ReferenceCase

  init(_ reference: ReferenceCase, _ ranks: Communicator) throws {
    let configuration = try Configuration(yaml: reference.yaml, source: "reference", overrides: [])
    let schedule = Schedule(configuration, labeledCount: 8, unlabeledCount: 8)
    trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    self.ranks = ranks
    self.reference = reference
    fillNamed(trainer.student)
    fillNamed(trainer.teacher)
    trainer.trust = reference.config.weight
  }

  var student: Parameters { trainer.student.parameters }
  var teacher: Parameters { trainer.teacher.parameters }

  /// The next step, on this rank's share of the reference's batch.
  func step(_ k: Int) throws -> StepReport {
    try trainer.step(reference.batch(step: k, rank: ranks.rank, ranks: ranks.size))
  }
}

extension StepReport {
  /// Under the names of ``ReferenceCase/Step/numbers``.
  var numbers: [String: Double?] {
    let ofClass = gammaOfClass.enumerated().map { ("gamma of class \($0)", $1) }
    return [
      "loss": loss, "supervised": supervised, "unsupervised": unsupervised, "contrastive": contrastive, "gamma": gamma,
      "confidence": confidence, "gradient norm": gradientNorm, "learning rate": learningRate, "alpha": alpha,
    ].merging(ofClass) { $1 }
  }

  /// Under the names of ``ReferenceCase/Step/counts``.
  var counts: [String: [Int]] {
    ["reliable": [reliable], "anchors": anchors, "negatives": negatives, "bank": bank]
  }
}

extension ReferenceCase {
  fileprivate var yaml: String {
    let c = config
    func optional<T>(_ value: T?, _ none: String) -> String { value.map { "\($0)" } ?? none }
    let ohem = optional(c.ohem.map { "{threshold: \($0.threshold), min_kept: \($0.min_kept)}" }, "off")
    return """
      run: {seed: \(c.seed)}
      data: {kind: shapes, labeled: 8, unlabeled: 8, classes: \(c.classes), shuffle: false, size: \(size)}
      batch: {labeled: \(labeled), unlabeled: \(unlabeled)}
      augment: {scale: off, flip: off, crop: off, mix: \(c.mix), mix_probability: \(c.mix_probability)}
      model: {encoder: resnet\(c.depth), encoder_width: \(c.encoder_width), stem: \(c.stem),
              output_stride: \(c.output_stride), multi_grid: \(c.multi_grid), width: \(c.width), features: \(c.features),
              dilations: \(c.dilations), auxiliary: \(c.auxiliary), dropout: \(c.dropout)}
      optimizer: {learning_rate: \(c.lr), head_factor: \(c.head_lr_factor), weight_decay: \(c.weight_decay),
                  clip_norm: \(optional(c.clip_norm, "null")), kind: \(c.optimizer ?? "sgd"),
                  schedule: \(c.schedule ?? "poly"), warmup_steps: \(c.warmup_steps ?? 0)}
      loss: {ohem: \(ohem), class_weights: \(optional(c.class_weights, "null")), auxiliary_weight: \(c.auxiliary_weight),
             dice: \(c.dice ?? 0)}
      teacher: {buffers: \(c.teacher_buffers), start: \(c.teacher_start ?? "pseudo_labels")}
      semantics: {\((c.published ?? []).map { $0 + ": published, " }.joined())anchor_ema: \(c.anchor_ema ?? false)}
      schedule: {epochs: \(c.epochs), steps_per_epoch: \(c.steps_per_epoch), supervised_epochs: \(c.supervised_epochs)}
      u2pl: {alpha0: \(c.alpha0), alpha_end: \(c.alpha_end ?? 0), delta_p: \(c.delta_p), low_rank: \(c.low_rank), high_rank: \(c.high_rank),
             anchors: \(c.anchors), negatives: \(c.negatives), temperature: \(c.temperature), capacity: \(c.capacity),
             enqueue_per_step: \(optional(c.enqueue_per_step, "null")), lambda_c: \(c.lambda_c),
             ema_decay: \(c.ema_decay), threshold: \(c.threshold ?? "global")}
      """
  }
}
