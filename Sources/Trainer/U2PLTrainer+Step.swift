import Compute
import Configuration
import Dataset
import Distributed
import Foundation
import Network

// One training step, in the numbered lines of "U²PL: what the trainer computes". Every count, sum and percentile is over
// the global batch; every function that talks to other ranks is called by all of them.

extension U2PLTrainer {
  func semiSupervisedStep(_ batch: Batch, _ report: inout StepReport) throws {
    clock.mark("data")
    if evidence != nil { report.weight = trust }
    startTeacher()

    var unlabeled = try weakView(batch.unlabeled)  // 1
    report.confidence = try meanConfidence(unlabeled)
    clock.mark("weak view")
    let firstSlot = layout.localUnlabeled.lowerBound
    let mixing = StrongView(configuration.augment, philox: philox)
    try mixing.apply(
      &unlabeled, labeled: batch.labeled, firstSlot: firstSlot, step: step, ranks: ranks)  // 2
    let images = try joined(batch.labeled, unlabeled, unlabeled.pixels)
    let ofStudent = try StudentView(configuration, philox: philox)
      .pixels(of: unlabeled, firstSlot: firstSlot, step: step).map { try joined(batch.labeled, unlabeled, $0) }
    clock.mark("mix")

    let studentPass = trainingPass(.all, network: 0, records: true)
    let gradients = try lossGradients((ofStudent ?? images, images), studentPass, batch, &unlabeled, &report)
    try learn(gradients, studentPass, &report, batch, average: average(semiSupervised: true))  // 9 and 10
    followBuffers(semiSupervised: true)
    clock.mark("update")
  }

  /// Lines 3 to 8. What both networks have given ends with it, before the backward pass.
  private func lossGradients(
    _ images: (student: Tensor, teacher: Tensor), _ studentPass: Pass, _ batch: Batch,
    _ unlabeled: inout PseudoLabeled, _ report: inout StepReport
  ) throws -> Gradients {
    let output = try student.forward(images.student, studentPass)  // 3
    let (logits, z) = (output.logits, output.representation!)
    clock.mark("student forward")
    let ofTeacher = try teacher.forward(images.teacher, trainingPass(.all, network: 1, records: false))  // 4
    let (teacherLogits, zTeacher) = (ofTeacher.logits, ofTeacher.representation!)
    clock.mark("teacher forward")

    let gradients = Gradients(output)
    let gradient = gradients.logits
    let pixels = UpsampledPixels(logits: logits, height: unlabeled.height, width: unlabeled.width)
    let labels = batch.labeled.flatMap(\.labels)
    report.supervised = try supervisedLoss(output, labels, pixels, gradients)  // 5
    let unreliable = try reliability(teacherLogits, &unlabeled, pixels, &report, batch)  // 6
    report.unsupervised = try unsupervisedLoss(logits, unlabeled.labels, pixels, gradient, &report)  // 7
    clock.mark("pixel losses")
    gradients.representation = try contrast(  // 8
      z, zTeacher, teacherLogits, labels: labels, pseudoLabels: unlabeled.labels, unreliable: unreliable, pixels,
      &report)
    clock.mark("contrastive loss")

    let weight = configuration.u2pl.lambdaC * trust
    report.loss = report.supervised + report.unsupervised + weight * report.contrastive  // 9
    return gradients
  }

  /// A step of the first `supervised_epochs` epochs, or of the supervised-only baseline: L_s alone.
  func supervisedStep(_ batch: Batch, _ report: inout StepReport) throws {
    clock.mark("data")
    let images = try tensor(batch.labeled)
    let pass = trainingPass(.labeled, network: 0, records: true)
    let output = try student.forward(images, representation: false, pass)
    clock.mark("student forward")
    let gradients = Gradients(output)
    let pixels = UpsampledPixels(logits: output.logits, height: images.height, width: images.width)
    report.supervised = try supervisedLoss(output, batch.labeled.flatMap(\.labels), pixels, gradients)
    report.loss = report.supervised
    clock.mark("pixel losses")
    try learn(gradients, pass, &report, batch, average: average(semiSupervised: false))
    followBuffers(semiSupervised: false)
    clock.mark("update")
  }

  // MARK: 1. Weak view

  /// The teacher in evaluation mode on the unlabeled crops: ŷ and its probability.
  private func weakView(_ examples: [Example]) throws -> PseudoLabeled {
    let images = try tensor(examples)
    let logits = try teacher.forward(
      images, representation: false, .evaluation(samples: examples.count)
    ).logits
    let pixels = UpsampledPixels(logits: logits, height: images.height, width: images.width)
    var view = PseudoLabeled(height: images.height, width: images.width, pixels: [], labels: [], confidence: [])
    for (sample, example) in examples.enumerated() {
      let (classes, confidence) = pixels.prediction(logits, sample: sample)
      view.pixels += example.pixels
      // Where the crop reaches beyond the image there is nothing to learn.
      view.labels += zip(classes, example.labels).map { $1 == ignoreLabel ? ignoreLabel : $0 }
      view.confidence += confidence
    }
    return view
  }

  private func meanConfidence(_ view: PseudoLabeled) throws -> Double? {
    let plane = view.plane
    let sums = (0..<view.count).map { slot in
      var sum = 0.0
      for p in slot * plane..<(slot + 1) * plane where view.labels[p] != ignoreLabel {
        sum += Double(view.confidence[p])
      }
      return sum
    }
    let total = try globalSum(sums, .unlabeled)
    let count = try ranks.sum([Int64(view.labels.count { $0 != ignoreLabel })])[0]
    return count > 0 ? total / Double(count) : nil
  }

  // MARK: 5. Supervised loss

  /// L_s of the main head, with the Dice loss times its weight, and of the auxiliary head times its weight. Writes the gradients of the labeled samples.
  private func supervisedLoss(
    _ output: Segmenter.Output, _ labels: [UInt8], _ pixels: UpsampledPixels, _ gradients: Gradients
  ) throws -> Double {
    let settings = configuration.loss
    var main = try supervisedLoss(
      output.logits, labels, pixels, weights: settings.classWeights, times: 1, gradients.logits)
    if settings.dice > 0 { main += try weightedDice(output.logits, labels, pixels, addingTo: gradients.logits) }
    guard let auxiliary = output.auxiliary, let gradient = gradients.auxiliary else { return main }
    // Its statistics are over all images, its loss over the labeled ones.
    gradient.fill(0)
    let coarse = UpsampledPixels(logits: auxiliary, height: pixels.height, width: pixels.width)
    return main
      + (try supervisedLoss(auxiliary, labels, coarse, weights: nil, times: settings.auxiliaryWeight, gradient))
  }

  /// Cross-entropy of one head: the mean over labeled pixels that are not ignore, weighted by class where there are
  /// weights, times a factor.
  private func supervisedLoss(
    _ logits: Tensor, _ labels: [UInt8], _ pixels: UpsampledPixels, weights: [Double]?, times factor: Double,
    _ gradient: Tensor
  ) throws -> Double {
    let samples = 0..<layout.localLabeled.count
    var labels = labels
    if let ohem = configuration.loss.ohem { try keepHardest(&labels, logits, pixels, ohem) }
    var counts = [Int64](repeating: 0, count: configuration.data.classes)
    for label in labels where label != ignoreLabel { counts[Int(label)] += 1 }
    counts = try ranks.sum(counts)
    let total = counts.indices.reduce(0.0) { $0 + Double(counts[$1]) * (weights?[$1] ?? 1) }
    let scale = total > 0 ? factor / total : 0
    let sums = pixels.crossEntropy(
      logits, samples: samples, labels: labels, weights: weights?.map { Float($0) }, scale: Float(scale),
      gradient: gradient)
    return try globalSum(sums, .labeled) * scale
  }

  /// Online hard-example mining: ignores pixels whose true class has a probability above both the threshold and the
  /// one of rank `min_kept` over the global batch.
  private func keepHardest(
    _ labels: inout [UInt8], _ logits: Tensor, _ pixels: UpsampledPixels, _ ohem: Configuration.OHEM
  ) throws {
    let probability = pixels.labelProbability(logits, samples: 0..<layout.localLabeled.count, labels: labels)
    let valid = probability.filter { $0 <= 1.5 }
    let count = Int(try ranks.sum([Int64(valid.count)])[0])
    guard count > 0 else { return }
    let ofRank = try valid.withUnsafeBufferPointer {
      try ranks.orderStatistic(min(count, ohem.minKept) - 1, of: $0)
    }
    let threshold = max(Float(ohem.threshold), ofRank)
    for p in labels.indices where probability[p] > threshold { labels[p] = ignoreLabel }
  }

  // MARK: 6. Reliability

  /// γ_t, the exact global percentile of the teacher's entropy. Pixels at or above it lose their pseudo-label; labels that are
  /// known stay.
  ///
  /// - Returns: where H > γ_t, N × H × W; false where there was no pseudo-label.
  private func reliability(
    _ teacherLogits: Tensor, _ unlabeled: inout PseudoLabeled, _ pixels: UpsampledPixels, _ report: inout StepReport,
    _ batch: Batch
  ) throws -> [Bool] {
    let first = layout.localLabeled.count
    let entropy = pixels.entropy(teacherLogits, samples: first..<first + layout.localUnlabeled.count)
    let alpha = configuration.u2pl.alpha0 * (1 - Double(report.epoch) / Double(schedule.epochs))
    report.alpha = alpha
    let thresholds: ReliabilityThresholds
    do {
      thresholds = try ReliabilityThresholds(
        configuration.u2pl.threshold, classes: configuration.data.classes, percentile: 100 * (1 - alpha),
        of: entropy, unlabeled, ranks: ranks)
    } catch let error as NotOrderable {
      try nonFinite(error, report, batch)
    }
    report.gamma = thresholds.global
    report.gammaOfClass = thresholds.ofClass ?? []
    let (unreliable, reliable) = thresholds.apply(to: &unlabeled, entropy: entropy)
    // Padding is no pixel of an image; what CutOut has removed is.
    let totals = try ranks.sum([Int64(reliable), Int64(thresholds.pixels + unlabeled.removed)])
    report.reliable = Int(totals[0])
    report.unlabeledPixels = Int(totals[1])
    return unreliable
  }

  // MARK: 7. Unsupervised loss

  /// λ_u L_u: mean cross-entropy over reliable pixels, times all pixels of unlabeled images per reliable one. Writes the
  /// gradient of the unlabeled samples.
  private func unsupervisedLoss(
    _ logits: Tensor, _ labels: [UInt8], _ pixels: UpsampledPixels, _ gradient: Tensor, _ report: inout StepReport
  ) throws -> Double {
    let first = layout.localLabeled.count
    let reliable = Double(report.reliable)
    let scale = report.reliable > 0 ? trust * Double(report.unlabeledPixels) / (reliable * reliable) : 0
    let sums = pixels.crossEntropy(
      logits, samples: first..<first + layout.localUnlabeled.count, labels: labels, scale: Float(scale),
      gradient: gradient)
    return try globalSum(sums, .unlabeled) * scale
  }

  // MARK: 8. Contrastive loss

  /// Sets `report.contrastive`; returns the gradient of λ_c L_c with respect to z.
  private func contrast(
    _ z: Tensor, _ zTeacher: Tensor, _ teacherLogits: Tensor, labels: [UInt8], pseudoLabels: [UInt8],
    unreliable: [Bool], _ pixels: UpsampledPixels, _ report: inout StepReport
  ) throws -> Tensor? {
    let settings = configuration.u2pl
    let rows = nearestIndices(source: pixels.height, target: z.height)
    let columns = nearestIndices(source: pixels.width, target: z.width)
    func nearest<Element>(_ map: [Element]) -> [Element] {
      let plane = pixels.height * pixels.width
      return (0..<map.count / plane).flatMap { n in
        rows.flatMap { y in columns.map { map[n * plane + y * pixels.width + $0] } }
      }
    }
    let labeledCount = layout.localLabeled.count
    let candidates = Candidates(
      logits: teacherLogits, labels: nearest(labels) + nearest(pseudoLabels),
      unreliable: [Bool](repeating: false, count: labeledCount * z.pixels) + nearest(unreliable),
      labeledCount: labeledCount, deltaP: Float(settings.deltaP), lowRank: settings.lowRank, highRank: settings.highRank
    )
    let counts = try candidates.globalCounts(layout, ranks: ranks)
    try Enqueue(philox: philox, limit: settings.enqueuePerStep)(
      candidates, counts: counts.negatives, representation: zTeacher, into: bank, layout: layout, step: step)
    let loss = ContrastiveLoss(settings: settings, philox: philox)
    let (value, gradient) = try loss(
      candidates, counts: counts.anchors, z: z, zTeacher: zTeacher, bank: bank, layout: layout, step: step,
      scale: settings.lambdaC * trust, ranks: ranks)
    report.contrastive = value
    func total(_ counts: ArraySlice<[Int]>) -> [Int] {
      (0..<configuration.data.classes).map { c in counts.reduce(0) { $0 + $1[c] } }
    }
    report.anchors = total(counts.anchors[...])
    report.labeledNegatives = total(counts.negatives.prefix(layout.labeled))
    report.unlabeledNegatives = total(counts.negatives.dropFirst(layout.labeled))
    report.bank = bank.queues.map(\.count)
    return gradient
  }

  // MARK: 9. Backward, global gradient, SGD

  /// What the backward pass starts from: the gradient of L with respect to each output of the student.
  private final class Gradients {
    let logits: Tensor
    let auxiliary: Tensor?
    /// nil where no anchor was drawn.
    var representation: Tensor?

    init(_ output: Segmenter.Output) {
      logits = Tensor(like: output.logits)
      auxiliary = output.auxiliary.map { Tensor(like: $0) }
    }
  }

  private func learn(
    _ gradients: Gradients, _ pass: Pass, _ report: inout StepReport, _ batch: Batch,
    average: (teacher: Parameters, factor: Double)?
  ) throws {
    try student.backward(
      logits: gradients.logits, representation: gradients.representation, auxiliary: gradients.auxiliary, pass)
    clock.mark("backward")
    switch configuration.reduction {
    case _ where !exchangesGradients: break
    case .ordered: try exchange.finish()
    case .mpi: try ranks.unorderedAllReduce(student.parameters.gradients)
    }
    clock.mark("gradient exchange")
    try requireFinite(&report, batch)
    optimizer.update(student, step: step, average: average)
  }

  // MARK: Pieces

  /// Σ over the slots of a kind along the tree, over all ranks.
  func globalSum(_ perSample: [Double], _ kind: SlotKind) throws -> Double {
    var sum = [layout.tree.reduce(kind, leaf: { perSample[$0] }, combine: { $0 + $1 })!]
    try ranks.orderedSum(&sum)
    return sum[0]
  }

  private func trainingPass(_ kind: SlotKind, network: UInt32, records: Bool) -> Pass {
    let dropout = ChannelDropout(
      rate: configuration.model.dropout, philox: philox, step: step, slots: layout.globalSlots, network: network)
    return Pass(
      mode: .training, records: records, tree: layout.tree, kind: kind,
      ranks: OrderedRanks(
        ranks: ranks, exchange: configuration.reduction == .ordered && exchangesGradients ? exchange : nil),
      dropout: dropout)
  }

  private func tensor(_ examples: [Example]) throws -> Tensor {
    try stacked(examples.map { ($0.pixels, 1) }, height: examples[0].height, width: examples[0].width)
  }

  /// - Parameter pixels: of the unlabeled images.
  private func joined(_ labeled: [Example], _ unlabeled: PseudoLabeled, _ pixels: [Float]) throws -> Tensor {
    try stacked(
      labeled.map { ($0.pixels, 1) } + [(pixels, unlabeled.count)], height: unlabeled.height, width: unlabeled.width)
  }

  /// One tensor of images that all have to be of one size.
  private func stacked(_ parts: [(pixels: [Float], samples: Int)], height: Int, width: Int) throws -> Tensor {
    guard parts.allSatisfy({ $0.pixels.count == $0.samples * height * width * 3 }) else {
      // Found at start where the files tell; here one rank alone may see it.
      throw DatasetError(
        description: "step \(step): images of one batch differ in size; set augment.crop to a common height and width")
    }
    let images = Tensor(count: parts.reduce(0) { $0 + $1.samples }, height: height, width: width, channels: 3)
    var at = images.data
    for part in parts {
      at.update(from: part.pixels, count: part.pixels.count)
      at += part.pixels.count
    }
    return images
  }
}
