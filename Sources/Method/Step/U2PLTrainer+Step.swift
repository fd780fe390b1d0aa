import Compute
import Distributed
import Network
import Transforms

// One training step: the numbered lines of docs/method.md, each a function of ``StepContext``. Every count, sum and percentile is
// over the global batch; every function that says "Collective" is called by all ranks.

extension U2PLTrainer {
  /// A step on labeled and unlabeled images.
  func semiSupervisedStep(_ batch: Batch) throws -> StepReport {
    hooks.ended(.data)
    startTeacher()
    let context = context()

    let weak = try context.weakView(batch.unlabeled, by: teacher, layerDone: hooks.advanced)  // 1
    let confidence = try context.meanConfidence(weak)
    hooks.ended(.weakView)
    let strong = try context.strongView(consume weak, labeled: batch.labeled)  // 2
    let images = context.images(batch.labeled, strong)
    let ofStudent = context.studentPixels(of: strong).map { context.images(batch.labeled, strong, pixels: $0) }
    hooks.ended(.mix)

    let pass = trainingPass(.all, network: 0, recordsForBackward: true)
    let labels = batch.labeled.flatMap(\.labels)
    let (losses, reliability, contrast, gradients) = try losses(  // 3 to 8
      (ofStudent ?? images, images), pass, labels: labels, strong, context)
    let gradientNorm = try learn(gradients, pass, losses, average: average(semiSupervised: true))  // 9, 10
    followBuffers(semiSupervised: true)
    hooks.ended(.update)
    return StepReport(
      context, losses,
      StepReport.SemiSupervised(reliability: reliability, contrast: contrast, confidence: confidence),
      learningRate: optimizer.learningRate(step: step), gradientNorm: gradientNorm, weight: trust)
  }

  /// A step of the first `supervised_epochs` epochs, or of the supervised-only baseline: L_s alone.
  func supervisedStep(_ batch: Batch) throws -> StepReport {
    hooks.ended(.data)
    let context = context()
    let images = context.images(batch.labeled)
    let pass = trainingPass(.labeled, network: 0, recordsForBackward: true)
    let output = try student.forward(images, representation: false, pass)
    hooks.ended(.studentForward)
    if teacherSeesLabeledImages {
      _ = try teacher.forward(images, trainingPass(.labeled, network: 1, recordsForBackward: false))
      hooks.ended(.teacherForward)
    }
    let gradients = OutputGradients(output)
    let pixels = UpsampledPixels(logits: output.logits, height: images.height, width: images.width)
    let losses = StepLosses(
      supervised: try context.supervisedLoss(
        gradients.main(output, pixels), auxiliary: gradients.auxiliary(output, pixels),
        labels: batch.labeled.flatMap(\.labels)))
    hooks.ended(.pixelLosses)
    let gradientNorm = try learn(gradients, pass, losses, average: average(semiSupervised: false))
    followBuffers(semiSupervised: false)
    hooks.ended(.update)
    return StepReport(
      context, losses, nil, learningRate: optimizer.learningRate(step: step), gradientNorm: gradientNorm)
  }

  /// Lines 3 to 8. The outputs of both networks are released when it returns, before the backward pass.
  private func losses(
    _ images: (student: Tensor, teacher: Tensor), _ pass: Pass, labels: [UInt8], _ strong: PseudoLabeled,
    _ context: StepContext
  ) throws -> (StepLosses, Reliability, Contrast, OutputGradients) {
    let output = try student.forward(images.student, pass)  // 3
    hooks.ended(.studentForward)
    let ofTeacher = try teacher.forward(  // 4
      images.teacher, trainingPass(.all, network: 1, recordsForBackward: false))
    hooks.ended(.teacherForward)

    let gradients = OutputGradients(output)
    let pixels = UpsampledPixels(logits: output.logits, height: strong.height, width: strong.width)
    let main = gradients.main(output, pixels)
    let supervised = try context.supervisedLoss(  // 5
      main, auxiliary: gradients.auxiliary(output, pixels), labels: labels)
    let reliability: Reliability
    do {
      reliability = try context.reliability(of: strong, ofTeacher.logits, pixels)  // 6
    } catch let cause as NotOrderable {
      throw EntropyNotFinite(supervised: supervised.loss, cause: cause)
    }
    let unsupervised = try context.unsupervisedLoss(main, reliability)  // 7
    hooks.ended(.pixelLosses)
    let contrast = try context.contrast(  // 8
      Views(
        student: output.representation!, teacher: ofTeacher.representation!, teacherLogits: ofTeacher.logits),
      labels: labels, reliability, pixels, memory: ContrastMemory(bank: bank, positives: positives))
    gradients.representation = contrast.gradient
    hooks.ended(.contrastiveLoss)

    let losses = StepLosses(
      supervised: supervised, unsupervised: unsupervised, contrastive: contrast.loss,
      lambdaC: configuration.u2pl.lambdaC * context.trust)
    return (losses, reliability, contrast, gradients)
  }

  /// Lines 9 and 10: backward pass, global gradient, SGD; the teacher follows in the update's pass over memory. Collective.
  ///
  /// - Returns: the L2 norm of the global gradient before clipping.
  private func learn(
    _ gradients: OutputGradients, _ pass: Pass, _ losses: StepLosses,
    average: (teacher: Parameters, factor: Double)?
  ) throws -> Double {
    try student.backward(
      logits: gradients.logits, representation: gradients.representation, auxiliary: gradients.auxiliary, pass)
    hooks.ended(.backward)
    try exchange.finish()
    hooks.ended(.gradientExchange)
    hooks.gradientSummed(self)
    let norm = GradientNorm.norm(student.parameters.gradients)
    try hooks.beforeUpdate(losses, gradientNorm: norm, self)
    if let limit = configuration.optimizer.clipNorm {
      GradientNorm.clip(student.parameters.gradients, norm: norm, to: limit)
    }
    optimizer.update(student, step: step, average: average)
    return norm
  }

  private func context() -> StepContext {
    var context = StepContext(
      configuration, schedule: schedule, layout: layout, ranks: ranks, philox: philox, step: step)
    context.trust = trust ?? 1
    return context
  }

  private func trainingPass(_ kind: SlotKind, network: UInt32, recordsForBackward: Bool) -> Pass {
    let dropout = ChannelDropout(
      rate: configuration.model.dropout, philox: philox, step: step, slots: layout.globalSlots, network: network)
    return Pass(
      mode: .training, recordsForBackward: recordsForBackward, tree: layout.tree, kind: kind,
      ranks: OrderedRanks(ranks: ranks, exchange: exchange, hooks: hooks), dropout: dropout)
  }
}

/// What the backward pass starts from: the gradient of L with respect to each output of the student.
private final class OutputGradients {
  let logits: Tensor
  let auxiliary: Tensor?
  /// nil where no anchor was drawn.
  var representation: Tensor?

  init(_ output: Segmenter.Output) {
    logits = Tensor(like: output.logits)
    auxiliary = output.auxiliary.map { Tensor(like: $0) }
  }

  func main(_ output: Segmenter.Output, _ pixels: UpsampledPixels) -> Head {
    Head(logits: output.logits, gradient: logits, pixels: pixels)
  }

  func auxiliary(_ output: Segmenter.Output, _ pixels: UpsampledPixels) -> Head? {
    guard let coarse = output.auxiliary, let gradient = auxiliary else { return nil }
    return Head(
      logits: coarse, gradient: gradient,
      pixels: UpsampledPixels(logits: coarse, height: pixels.height, width: pixels.width))
  }
}
