public import Compute
import Foundation
import Transforms

/// Decodes and augments ahead of the step, on a thread of its own.
///
/// What it delivers is a pure function of its arguments: which entry a slot holds is the samplers' answer, how it is
/// augmented depends on its global slot and the step.
public final class BatchLoader: Sendable {
  private let queue: BatchQueue

  /// Starts loading at once.
  ///
  /// - Parameters:
  ///   - labeledSlots: the global labeled slots this rank holds.
  ///   - unlabeledSlots: the global unlabeled slots this rank holds.
  ///   - unlabeledFromStep: before it unlabeled images are not loaded.
  ///   - balance: which labeled slots are filled for a class instead; nil for none.
  ///   - steps: which steps to deliver, in order.
  ///   - depth: how many finished batches may wait, at least 1.
  public init(
    labeled: any ImageSet, unlabeled: (any ImageSet)?, labeledSampler: GlobalSampler, unlabeledSampler: GlobalSampler?,
    labeledSlots: Range<Int>, unlabeledSlots: Range<Int>, unlabeledFromStep: Int, balance: ClassBalance? = nil,
    steps: Range<Int>, labeledAugmentation: Augmentation, unlabeledAugmentation: Augmentation,
    normalization: Normalization, philox: Philox, depth: Int = 2
  ) {
    let queue = BatchQueue(depth: max(1, depth))
    self.queue = queue
    let thread = Thread {
      defer { queue.finish() }
      for step in steps {
        let batch = Result {
          let first = try labeledSlots.map { slot in
            let drawn = balance?.draw(step: step, slot: slot)
            let index = drawn?.index ?? labeledSampler.index(step: step, slot: slot)
            let (image, labels) = try labeled.labeledImage(index)
            var augmentation = labeledAugmentation
            augmentation.focus = drawn?.label
            let example = augmentation.apply(
              image, labels, normalization: normalization, philox: philox, stream: .labeledAugmentation, slot: slot,
              step: step)
            return (example, labeled.source(index).image)
          }
          var second: [(Example, String)] = []
          if let unlabeled, let unlabeledSampler, step >= unlabeledFromStep {
            second = try unlabeledSlots.map { slot in
              let index = unlabeledSampler.index(step: step, slot: slot)
              let example = unlabeledAugmentation.apply(
                try unlabeled.image(index), nil, normalization: normalization, philox: philox,
                stream: .unlabeledAugmentation, slot: slot, step: step)
              return (example, unlabeled.source(index).image)
            }
          }
          return Batch(
            step: step, labeled: first.map(\.0), unlabeled: second.map(\.0), identifiers: (first + second).map(\.1))
        }
        guard queue.put(batch) else { return }
      }
    }
    thread.name = "loader"
    thread.start()
  }

  /// Waits for the next step's batch.
  ///
  /// - Returns: nil after the last step and after ``stop()``.
  /// - Throws: what the thread met while loading this step, again at every later call; ``DatasetError`` for images of
  ///   different sizes.
  public func next() throws -> Batch? {
    guard let batch = try queue.take() else { return nil }
    let examples = batch.labeled + batch.unlabeled
    guard let first = examples.first else { return batch }
    if let other = examples.firstIndex(where: { $0.height != first.height || $0.width != first.width }) {
      // Found at start where the files tell; here one rank alone may see it.
      throw DatasetError(
        description: "step \(batch.step): images of one batch differ in size: \(batch.identifiers[0]) gives "
          + "\(first.width)×\(first.height) pixels, \(batch.identifiers[other]) "
          + "\(examples[other].width)×\(examples[other].height); set augment.crop to a common height and width")
    }
    return batch
  }

  /// Ends the thread and waits until it has ended: at most as long as one batch takes to load.
  public func stop() { queue.stop() }

  deinit { queue.stop() }
}

/// A bounded queue between the loading thread and the training thread.
///
/// Kept apart from the loader so that the thread does not keep the loader alive.
private final class BatchQueue: @unchecked Sendable {
  private let depth: Int
  private let condition = NSCondition()
  // Guarded by `condition`.
  private var waiting: [Result<Batch, any Error>] = []
  private var stopped = false
  private var finished = false

  init(depth: Int) { self.depth = depth }

  /// - Returns: whether to go on; not after an error, or once stopped.
  func put(_ batch: Result<Batch, any Error>) -> Bool {
    condition.withLock {
      while waiting.count >= depth && !stopped { condition.wait() }
      if stopped { return false }
      waiting.append(batch)
      condition.broadcast()
      if case .failure = batch { return false }
      return true
    }
  }

  func take() throws -> Batch? {
    try condition.withLock {
      while waiting.isEmpty && !finished && !stopped { condition.wait() }
      guard !stopped, let first = waiting.first else { return nil }
      // An error stays, to be met by later calls too.
      let batch = try first.get()
      waiting.removeFirst()
      condition.broadcast()
      return batch
    }
  }

  func finish() {
    condition.withLock {
      finished = true
      condition.broadcast()
    }
  }

  func stop() {
    condition.withLock {
      stopped = true
      waiting = []
      condition.broadcast()
      while !finished { condition.wait() }
    }
  }
}
