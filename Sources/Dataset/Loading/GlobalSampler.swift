public import Compute
import Synchronization

/// Chooses the entry of a list for each global slot of each step.
///
/// Slot s of step k is position q = k·batch + s of an endless sequence of passes over the list, so a list of any length
/// cycles without regard to batches, and the choice does not depend on how many ranks share the batch. Without
/// shuffling entry q mod n is taken; with it, each pass q ÷ n has a permutation of its own. Where folds are held out, every
/// window of steps has passes of its own over the images it may take.
public struct GlobalSampler: Sendable {
  public let count: Int
  public let batch: Int
  private let passes: Passes?
  private let folds: HeldOutFolds?

  /// - Parameters:
  ///   - count: entries in the list, at least 1.
  ///   - batch: slots of this list in a global batch.
  ///   - stream: ``RandomStream/labeledOrder`` or ``RandomStream/unlabeledOrder``.
  ///   - folds: what is held out, of as many entries; nil for nothing.
  public init(
    count: Int, batch: Int, shuffle: Bool, philox: Philox, stream: RandomStream, folds: HeldOutFolds? = nil
  ) {
    precondition(count > 0 && batch >= 0 && folds?.count ?? count == count)
    self.folds = folds
    self.count = count
    self.batch = batch
    passes = shuffle ? Passes(philox: philox, stream: stream) : nil
  }

  /// The list entry, in `0..<count`, that global slot `slot` of step `step` holds.
  public func index(step: Int, slot: Int) -> Int {
    guard let folds else {
      let (pass, within) = (step * batch + slot).quotientAndRemainder(dividingBy: count)
      return passes?.order(pass, count: count, window: nil)[within] ?? within
    }
    let window = folds.window(ofStep: step), entries = folds.trained(step: step)
    let position = (step - window * folds.window) * batch + slot
    let (pass, within) = position.quotientAndRemainder(dividingBy: entries.count)
    return entries[passes?.order(pass, count: entries.count, window: window)[within] ?? within]
  }
}

/// The permutations in use. Each is a pure function of the pass, and is kept because every slot needs it.
private final class Passes: Sendable {
  private let philox: Philox
  private let stream: RandomStream
  /// The last two: a batch that crosses a pass boundary needs both.
  private let recent = Mutex<[(pass: Int, window: Int?, order: [Int])]>([])

  init(philox: Philox, stream: RandomStream) {
    self.philox = philox
    self.stream = stream
  }

  /// - Parameters:
  ///   - count: positions of a pass.
  ///   - window: whose pass it is, nil where the whole run's passes are counted through.
  func order(_ pass: Int, count: Int, window: Int?) -> [Int] {
    recent.withLock { recent in
      if let known = recent.first(where: { $0.pass == pass && $0.window == window }) { return known.order }
      let order = draw(pass, count, window)
      recent = recent.suffix(1) + [(pass, window, order)]
      return order
    }
  }

  /// Positions in order of their draws, ties to the lower position.
  private func draw(_ pass: Int, _ count: Int, _ window: Int?) -> [Int] {
    let item = window.map { UInt32(truncatingIfNeeded: $0 + 1) } ?? 0
    // One sortable number each: the draw above, the position below.
    let keys = (0..<count).map { position in
      let word = philox.words(
        index: UInt32(truncatingIfNeeded: position), item: item, step: UInt32(truncatingIfNeeded: pass), stream: stream)[
          0]
      return UInt64(word) << 32 | UInt64(position)
    }
    return keys.sorted().map { Int($0 & 0xFFFF_FFFF) }
  }
}
