public import Compute

/// Which labeled samples are drawn for a class instead of in order: a share of them, each class as often as any.
public struct ClassBalance: Sendable {
  /// Of labeled samples that are drawn so.
  public let share: Double
  /// Classes that any image has, each with the images that have it.
  private let images: [(label: UInt8, indices: [Int])]
  private let philox: Philox
  private let folds: HeldOutFolds?

  /// - Parameters:
  ///   - pixels: of each class in each image of the list, [image][class].
  ///   - folds: what is held out and so not drawn; nil for nothing.
  public init(share: Double, pixels: [[Int64]], philox: Philox, folds: HeldOutFolds? = nil) {
    self.share = share
    self.folds = folds
    self.philox = philox
    images = (pixels.first ?? []).indices.compactMap { c in
      let indices = pixels.indices.filter { pixels[$0][c] > 0 }
      return indices.isEmpty ? nil : (UInt8(c), indices)
    }
  }

  /// The image that a slot of a step takes, and the class it is taken for; nil where the slot takes the next in order.
  ///
  /// A pure function of its arguments: draws are Philox's at (quantity, slot, step) of ``RandomStream/balance``.
  public func draw(step: Int, slot: Int) -> (index: Int, label: UInt8)? {
    func word(_ quantity: UInt32) -> UInt32 {
      philox.words(
        index: quantity, item: UInt32(truncatingIfNeeded: slot),
        step: UInt32(truncatingIfNeeded: step),
        stream: .balance)[0]
    }
    guard !images.isEmpty, word(0).unitInterval < share else { return nil }
    func below(_ count: Int, _ word: UInt32) -> Int { Int((UInt64(word) &* UInt64(count)) >> 32) }
    let (label, all) = images[below(images.count, word(1))]
    let indices = folds.map { folds in all.filter { !folds.isHeldOut($0, step: step) } } ?? all
    guard !indices.isEmpty else { return nil }
    return (indices[below(indices.count, word(2))], label)
  }
}
