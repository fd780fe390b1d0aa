import Distributed
import Network

// The soft Dice loss beside the cross-entropy of line 5.

extension U2PLTrainer {
  /// `loss.dice` times the soft Dice loss of the labeled pixels of the global batch, sums along the slot tree. Adds its
  /// gradient. Collective.
  func weightedDice(
    _ logits: Tensor, _ labels: [UInt8], _ pixels: UpsampledPixels, addingTo gradient: Tensor
  ) throws -> Double {
    let classes = configuration.data.classes
    let weight = configuration.loss.dice
    let samples = 0..<layout.localLabeled.count
    let own = pixels.diceSums(logits, samples: samples, labels: labels)
    var sums = layout.tree.reduce(.labeled, leaf: { own[$0].overlap + own[$0].size }) {
      zip($0, $1).map(+)
    }!
    try ranks.orderedSum(&sums)
    var counts = [Int64](repeating: 0, count: classes)
    for label in labels where label != ignoreLabel { counts[Int(label)] += 1 }
    let loss = DiceLoss(
      DiceSums(overlap: Array(sums[..<classes]), size: Array(sums[classes...])),
      pixels: try ranks.sum(counts),
      weight: weight)
    pixels.addGradient(of: loss, logits, samples: samples, labels: labels, to: gradient)
    return weight * loss.value
  }
}
