import Configuration
import Network

/// The size of a semi-supervised step on a number of ranks, as far as it decides what they send each other. Each line of the step
/// says beside its code what it adds to a `Traffic`.
package struct StepSize {
  package let configuration: Configuration
  package let ranks: Int
  /// Images of one rank.
  package let labeled: Int
  package let unlabeled: Int
  package let height: Int
  package let width: Int

  package init(_ configuration: Configuration, ranks: Int, labeled: Int, unlabeled: Int, height: Int, width: Int) {
    self.configuration = configuration
    self.ranks = ranks
    self.labeled = labeled
    self.unlabeled = unlabeled
    self.height = height
    self.width = width
  }

  var classes: Int { configuration.data.classes }
  /// Samples of the global batch.
  var slots: Int { ranks * (labeled + unlabeled) }
  /// Pixels of layer1's map, at which the contrastive loss works: a stride of 2, then a pool with ceil-mode.
  var mapPixels: Int {
    func pooled(_ length: Int) -> Int { ((length - 1) / 2 + 1) / 2 + 1 }
    return pooled(height) * pooled(width)
  }
}
