import Distributed
import Network

extension StepContext {
  /// Beside line 5 of docs/method.md: `loss.dice` times the soft Dice loss of the labeled pixels of the global batch, sums along
  /// the slot tree. Adds its gradient. Collective.
  func weightedDice(_ head: Head, _ labels: [UInt8]) throws -> Double {
    let weight = configuration.loss.dice
    let own = head.pixels.diceSums(head.logits, samples: labeledSamples, labels: labels)
    var sums = layout.tree.reduce(.labeled, leaf: { own[$0].overlap + own[$0].size }) { zip($0, $1).map(+) }!
    try ranks.orderedSum(&sums)
    var counts = [Int64](repeating: 0, count: classes)
    for label in labels where label != ignoreLabel { counts[Int(label)] += 1 }
    let loss = DiceLoss(
      DiceSums(overlap: Array(sums[..<classes]), size: Array(sums[classes...])), pixels: try ranks.sum(counts),
      weight: weight)
    head.pixels.addGradient(of: loss, head.logits, samples: labeledSamples, labels: labels, to: head.gradient)
    return weight * loss.value
  }
}
