import Distributed
import Network

/// What line 8 of docs/method.md gives.
package struct Contrast {
  /// L_c, before λ_c.
  package let loss: Double
  /// Of λ_c L_c with respect to z, N × h × w × D; nil where no class has both anchors and negatives.
  package let gradient: Tensor?
  /// |A_c| of each class, over the global batch.
  package let anchors: [Int]
  /// Labeled and unlabeled pixels of N_c, over the global batch.
  package let labeledNegatives: [Int]
  package let unlabeledNegatives: [Int]
  /// The length of each class's queue after the new keys have entered.
  package let bank: [Int]
}

/// What line 8 of docs/method.md keeps from step to step.
package struct ContrastMemory {
  package let bank: MemoryBank
  /// nil unless `semantics.anchor_ema` is on.
  package let positives: AveragedPositives?

  package init(bank: MemoryBank, positives: AveragedPositives? = nil) {
    (self.bank, self.positives) = (bank, positives)
  }
}

/// What both networks say of one batch, labeled samples first.
struct Views {
  /// z, the student's representation, N × h × w × D.
  let student: Tensor
  /// z̄, the teacher's.
  let teacher: Tensor
  /// The teacher's logits, N × h × w × C.
  let teacherLogits: Tensor
}

extension StepContext {
  /// Line 8 of docs/method.md: anchors and negatives at h × w, new keys into the memory bank, L_c. Collective.
  ///
  /// - Parameters:
  ///   - labels: N × H × W of the labeled samples.
  ///   - reliability: of the unlabeled samples.
  ///   - pixels: H × W.
  ///   - memory: what earlier steps have left; takes what this one adds.
  func contrast(
    _ views: Views, labels: [UInt8], _ reliability: Reliability, _ pixels: UpsampledPixels, memory: ContrastMemory
  ) throws -> Contrast {
    let bank = memory.bank
    let (height, width) = (views.student.height, views.student.width)
    let rows = nearestIndices(source: pixels.height, target: height)
    let columns = nearestIndices(source: pixels.width, target: width)
    func nearest<Element>(_ map: [Element]) -> [Element] {
      let plane = pixels.height * pixels.width
      return (0..<map.count / plane).flatMap { n in
        rows.flatMap { y in columns.map { map[n * plane + y * pixels.width + $0] } }
      }
    }
    let labeledCount = layout.localLabeled.count
    let labeledPixels = labeledCount * height * width
    let candidates = Candidates(
      logits: views.teacherLogits,
      Candidates.Maps(
        labels: nearest(labels) + nearest(reliability.anchorLabels),
        unreliable: [Bool](repeating: false, count: labeledPixels) + nearest(reliability.unreliable),
        pseudoLabels: semantics.unlabeledNegatives == .published
          ? [UInt8](repeating: ignoreLabel, count: labeledPixels) + nearest(reliability.pseudoLabels) : [],
        labeledCount: labeledCount),
      configuration.u2pl, semantics)
    let counts = try candidates.globalCounts(layout, ranks: ranks)
    try Enqueue(self)(candidates, counts: counts.negatives, representation: views.teacher, into: bank)
    let (loss, gradient) = try ContrastiveLoss(self)(
      candidates, counts: counts.anchors, z: views.student, zTeacher: views.teacher, memory: memory)
    func total(_ counts: ArraySlice<[Int]>) -> [Int] { (0..<classes).map { c in counts.reduce(0) { $0 + $1[c] } } }
    return Contrast(
      loss: loss, gradient: gradient, anchors: total(counts.anchors[...]),
      labeledNegatives: total(counts.negatives.prefix(layout.labeled)),
      unlabeledNegatives: total(counts.negatives.dropFirst(layout.labeled)),
      bank: bank.queues.map(\.count))
  }
}

extension Traffic {
  /// `contrast` without the memory bank: counts of candidates, centroids, and the losses of anchors of every class.
  package mutating func contrast(_ size: StepSize) {
    allReduce(count: 2 * size.slots * size.classes)
    if size.configuration.semantics.anchors == .published { allReduce(count: size.classes) }
    orderedReduce(count: size.classes * size.configuration.model.features)
    orderedReduce(count: size.classes * size.configuration.u2pl.anchors)
  }
}
