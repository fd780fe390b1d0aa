import Compute
import Configuration
import Transforms

/// Line 2 of docs/method.md by copy-paste: half of the classes of a labeled image, with their labels, are laid over an unlabeled one.
///
/// The labeled partner of global slot i of U is slot ⌊i·L/U⌋ of L. A rank holds both, at any rank count that divides L and U.
struct CopyPaste {
  let philox: Philox

  /// Classes of the labeled image that are pasted: half of those present, rounded up, by the smallest draws.
  private func chosen(_ labels: [UInt8], slot: Int, step: Int) -> [Bool] {
    var present = [Bool](repeating: false, count: 256)
    for label in labels { present[Int(label)] = true }
    let classes = (0..<Int(ignoreLabel)).filter { present[$0] }
    let draws = classes.map { c in
      let word = philox.words(
        index: UInt32(c), item: UInt32(slot), step: UInt32(step), stream: .copyPaste)[0]
      return UInt64(word) << 32 | UInt64(c)
    }
    var chosen = [Bool](repeating: false, count: 256)
    for draw in draws.sorted().prefix((classes.count + 1) / 2) { chosen[Int(draw & 0xFF)] = true }
    return chosen
  }

  /// Pastes into one sample in place.
  ///
  /// - Parameters:
  ///   - slot: the sample's global unlabeled slot.
  ///   - labeled: its partner, of the same size.
  func apply(_ batch: inout PseudoLabeled, sample: Int, slot: Int, step: Int, from labeled: Example) {
    let chosen = chosen(labeled.labels, slot: slot, step: step)
    let start = sample * batch.plane, channels = batch.channels
    for p in 0..<batch.plane where chosen[Int(labeled.labels[p])] {
      for c in 0..<channels {
        batch.pixels[(start + p) * channels + c] = labeled.pixels[p * channels + c]
      }
      batch.labels[start + p] = labeled.labels[p]
      batch.confidence[start + p] = 1
      batch.isKnown[start + p] = true
    }
  }
}
