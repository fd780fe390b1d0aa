public import Compute
import Synchronization

/// Chooses the entry of a list for each global slot of each step.
///
/// Slot s of step k is position q = k·batch + s of an endless sequence of passes over the list, so a list of any length
/// cycles without regard to batches, and the choice does not depend on how many ranks share the batch. Without
/// shuffling entry q mod n is taken; with it, each pass q ÷ n has a permutation of its own.
public struct GlobalSampler: Sendable {
  public let count: Int
  public let batch: Int
  private let passes: Passes?

  /// - Parameters:
  ///   - count: entries in the list, at least 1.
  ///   - batch: slots of this list in a global batch.
  ///   - stream: ``RandomStream/labeledOrder`` or ``RandomStream/unlabeledOrder``.
  public init(count: Int, batch: Int, shuffle: Bool, philox: Philox, stream: RandomStream) {
    precondition(count > 0 && batch >= 0)
    self.count = count
    self.batch = batch
    passes = shuffle ? Passes(count: count, philox: philox, stream: stream) : nil
  }

  /// The list entry, in `0..<count`, that global slot `slot` of step `step` holds.
  public func index(step: Int, slot: Int) -> Int {
    let position = step * batch + slot
    let (pass, within) = position.quotientAndRemainder(dividingBy: count)
    guard let passes else { return within }
    return passes.order(pass)[within]
  }
}

/// The permutations in use. Each is a pure function of the pass, and is kept because every slot needs it.
private final class Passes: Sendable {
  private let count: Int
  private let philox: Philox
  private let stream: RandomStream
  /// The last two: a batch that crosses a pass boundary needs both.
  private let recent = Mutex<[(pass: Int, order: [Int])]>([])

  init(count: Int, philox: Philox, stream: RandomStream) {
    self.count = count
    self.philox = philox
    self.stream = stream
  }

  func order(_ pass: Int) -> [Int] {
    recent.withLock { recent in
      if let known = recent.first(where: { $0.pass == pass }) { return known.order }
      let order = draw(pass)
      recent = recent.suffix(1) + [(pass, order)]
      return order
    }
  }

  /// Positions in order of their draws, ties to the lower position.
  private func draw(_ pass: Int) -> [Int] {
    // One sortable number each: the draw above, the position below.
    let keys = (0..<count).map { position in
      let word = philox.words(
        index: UInt32(truncatingIfNeeded: position), item: 0, step: UInt32(truncatingIfNeeded: pass), stream: stream)[0]
      return UInt64(word) << 32 | UInt64(position)
    }
    return keys.sorted().map { Int($0 & 0xFFFF_FFFF) }
  }
}
