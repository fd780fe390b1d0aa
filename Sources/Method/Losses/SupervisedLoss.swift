import Compute
import Configuration
import Distributed
import Network

/// One head's logits, and where its gradient goes.
struct Head {
  /// N × h × w × C, labeled samples first.
  let logits: Tensor
  /// Of the logits' shape; the samples that a loss reads are written.
  let gradient: Tensor
  /// How `logits` are brought to the size of the labels.
  let pixels: UpsampledPixels
}

extension StepContext {
  /// Line 5 of docs/method.md: L_s of the main head, with the Dice loss times its weight, and of the
  /// auxiliary head times its weight. Writes the gradients of the
  /// labeled samples. Collective.
  ///
  /// - Parameter labels: N × H × W of this rank's labeled samples.
  /// - Returns: L_s, and the pixels of the global batch that the main head's cross-entropy counts.
  func supervisedLoss(_ main: Head, auxiliary: Head?, labels: [UInt8]) throws -> (loss: Double, pixels: Int) {
    let settings = configuration.loss
    var (loss, pixels) = try crossEntropy(main, labels, weights: settings.classWeights, times: 1)
    if settings.dice > 0 { loss += try weightedDice(main, labels) }
    guard let auxiliary else { return (loss, pixels) }
    // Its statistics are over all images, its loss over the labeled ones.
    auxiliary.gradient.fill(0)
    let weighted = try crossEntropy(auxiliary, labels, weights: nil, times: settings.auxiliaryWeight).loss
    return (loss + weighted, pixels)
  }

  /// The mean over labeled pixels that are not ignore, weighted by class where there are weights, times a factor.
  private func crossEntropy(
    _ head: Head, _ labels: [UInt8], weights: [Double]?, times factor: Double
  ) throws -> (loss: Double, pixels: Int) {
    var labels = labels
    if let ohem = configuration.loss.ohem { try keepHardest(&labels, head, ohem) }
    var counts = [Int64](repeating: 0, count: classes)
    for label in labels where label != ignoreLabel { counts[Int(label)] += 1 }
    counts = try ranks.sum(counts)
    let total = counts.indices.reduce(0.0) { $0 + Double(counts[$1]) * (weights?[$1] ?? 1) }
    let scale = total > 0 ? factor / total : 0
    let sums = head.pixels.crossEntropy(
      head.logits, samples: labeledSamples, labels: labels, weights: weights?.map { Float($0) }, scale: Float(scale),
      gradient: head.gradient)
    let pixels = counts.indices.reduce(0) { $0 + ((weights?[$1] ?? 1) > 0 ? Int(counts[$1]) : 0) }
    return (try globalSum(sums, .labeled) * scale, pixels)
  }

  /// Online hard-example mining: ignores pixels whose true class has a probability above both the threshold and the
  /// one of rank `min_kept` over the global batch. Collective.
  private func keepHardest(_ labels: inout [UInt8], _ head: Head, _ ohem: Configuration.OHEM) throws {
    let probability = head.pixels.labelProbability(head.logits, samples: labeledSamples, labels: labels)
    let valid = probability.filter { $0 < UpsampledPixels.ignoredProbability }
    let count = Int(try ranks.sum([Int64(valid.count)])[0])
    guard count > 0 else { return }
    let ofRank = try valid.withUnsafeBufferPointer {
      try ranks.orderStatistic(min(count, ohem.minKept) - 1, of: $0)
    }
    let threshold = max(Float(ohem.threshold), ofRank)
    for p in labels.indices where probability[p] > threshold { labels[p] = ignoreLabel }
  }
}

extension Traffic {
  /// `supervisedLoss` of one head or two.
  package mutating func supervisedLoss(_ size: StepSize) {
    for _ in 0..<(size.configuration.model.auxiliary ? 2 : 1) {
      if size.configuration.loss.ohem != nil {
        allReduce(count: 1)
        orderStatistic()
      }
      allReduce(count: size.classes)
      orderedReduce(count: 1)
    }
    if size.configuration.loss.dice > 0 {
      orderedReduce(count: 2 * size.classes)
      allReduce(count: size.classes)
    }
  }
}
