import Compute
import Distributed
import Configuration
import Method
import Network
import TestSupport

/// Whether numbers agree up to a share of the larger of `scale` and the expected one.
func agree(_ a: Double, _ b: Double, _ tolerance: Double, scale: Double = 0) -> Bool {
  abs(a - b) <= tolerance * max(abs(b), scale)
}

/// A batch of 4 labeled and 8 unlabeled samples, which 1, 2 or 4 ranks share.
enum SharedBatch {
  static let labeled = 4
  static let unlabeled = 8
  static let slots = labeled + unlabeled

  static func layout(rank: Int, ranks: Int) -> BatchLayout {
    BatchLayout(labeled: labeled, unlabeled: unlabeled, rank: rank, ranks: ranks)
  }

  /// What lines of a step get of such a batch.
  static func context(_ configuration: Configuration, seed: UInt64, step: Int, ranks: Communicator) -> StepContext {
    StepContext(
      configuration, schedule: Schedule(configuration, labeledCount: labeled, unlabeledCount: unlabeled),
      layout: layout(rank: ranks.rank, ranks: ranks.size), ranks: ranks, philox: Philox(seed: seed), step: step)
  }

  static func divides(over ranks: Int) -> Bool { labeled % ranks == 0 && unlabeled % ranks == 0 }

  /// Candidates of the slots of a layout.
  ///
  /// - Parameters anchors, negatives: which pixels of a global slot are candidates of a class, ascending.
  static func candidates(
    _ layout: BatchLayout, classes: Int, anchors: (_ slot: Int, _ c: Int) -> [Int32],
    negatives: (_ slot: Int, _ c: Int) -> [Int32]
  ) -> Candidates {
    let slots = layout.globalSlots
    let logits = Tensor(count: slots.count, height: 1, width: 1, channels: classes)
    logits.fill(0)
    var candidates = Candidates(
      logits: logits,
      Candidates.Maps(
        labels: [UInt8](repeating: 255, count: slots.count), unreliable: [Bool](repeating: false, count: slots.count),
        labeledCount: layout.localLabeled.count), try! configuration(classes: classes, "").u2pl)
    candidates.anchors = slots.map { slot in (0..<classes).map { anchors(slot, $0) } }
    candidates.centers = candidates.anchors
    candidates.negatives = slots.map { slot in (0..<classes).map { negatives(slot, $0) } }
    return candidates
  }
}
