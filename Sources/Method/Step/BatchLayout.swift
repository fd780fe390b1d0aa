import Compute

/// Where the samples of a rank stand in the global batch.
///
/// Global slots count the labeled samples of all ranks first, then the unlabeled ones; this rank's tensors hold its
/// labeled, then its unlabeled samples.
package struct BatchLayout {
  /// Global slots of each kind.
  package let labeled: Int
  package let unlabeled: Int
  /// Global slots this rank holds, within each kind.
  package let localLabeled: Range<Int>
  package let localUnlabeled: Range<Int>

  package init(labeled: Int, unlabeled: Int, rank: Int, ranks: Int) {
    self.labeled = labeled
    self.unlabeled = unlabeled
    localLabeled = rank * labeled / ranks..<(rank + 1) * labeled / ranks
    localUnlabeled = rank * unlabeled / ranks..<(rank + 1) * unlabeled / ranks
  }

  /// This rank's node of the slot tree.
  package var tree: SlotTree { SlotTree(labeled: localLabeled.count, unlabeled: localUnlabeled.count) }
  /// Global slot of each sample of this rank's tensors.
  package var globalSlots: [Int] { Array(localLabeled) + localUnlabeled.map { labeled + $0 } }
}
