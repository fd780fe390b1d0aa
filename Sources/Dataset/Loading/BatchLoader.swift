public import Compute
import Foundation
import Transforms

/// Decodes and augments the next steps' images on a thread of its own.
///
/// What it delivers is a pure function of its arguments: the samplers tell which entry a slot holds, and its
/// augmentation depends on its global slot and the step.
public final class BatchLoader: Sendable {
  /// One list's part of a batch.
  public struct Source: Sendable {
    let images: any ImageSet
    let sampler: GlobalSampler
    let slots: Range<Int>
    let augmentation: Augmentation
    let firstStep: Int
    let balance: ClassBalance?

    /// - Parameters:
    ///   - slots: the global slots of this list that this rank holds.
    ///   - firstStep: before it no image of the list is loaded.
    ///   - balance: which slots are filled for a class instead; nil for none. For labeled images.
    public init(
      _ images: any ImageSet, _ sampler: GlobalSampler, slots: Range<Int>, augmentation: Augmentation,
      firstStep: Int = 0, balance: ClassBalance? = nil
    ) {
      (self.images, self.sampler, self.slots) = (images, sampler, slots)
      (self.augmentation, self.firstStep, self.balance) = (augmentation, firstStep, balance)
    }

    func loadedSlots(step: Int) -> Range<Int> { step >= firstStep ? slots : 0..<0 }
  }

  private let queue: BatchQueue

  /// Starts loading at once.
  ///
  /// - Parameters:
  ///   - steps: which steps to deliver, in order.
  ///   - depth: how many finished batches may wait, at least 1.
  public init(
    labeled: Source, unlabeled: Source?, steps: Range<Int>, normalization: Normalization, philox: Philox,
    depth: Int = 2
  ) {
    let queue = BatchQueue(depth: max(1, depth))
    self.queue = queue
    let thread = Thread {
      defer { queue.finish() }
      for step in steps {
        let batch = Result {
          do {
            return try BatchLoader.load(step, labeled, unlabeled, normalization, philox)
          } catch let problem as DatasetError {
            throw DatasetError(description: "step \(step): \(problem)")
          }
        }
        guard queue.put(batch) else { return }
      }
    }
    thread.name = "loader"
    thread.start()
  }

  private static func load(
    _ step: Int, _ labeled: Source, _ unlabeled: Source?, _ normalization: Normalization, _ philox: Philox
  ) throws -> Batch {
    let first = try labeled.loadedSlots(step: step).map { slot in
      let drawn = labeled.balance?.draw(step: step, slot: slot)
      let index = drawn?.index ?? labeled.sampler.index(step: step, slot: slot)
      var augmentation = labeled.augmentation
      augmentation.focus = drawn?.label
      let example = try labeled.images.example(
        index, labeled: true, augmentation, normalization, .init(philox, .labeledAugmentation, slot: slot, step: step))
      return (example, labeled.images.source(index).image)
    }
    let second = try unlabeled.map { unlabeled in
      try unlabeled.loadedSlots(step: step).map { slot in
        let index = unlabeled.sampler.index(step: step, slot: slot)
        let example = try unlabeled.images.example(
          index, labeled: false, unlabeled.augmentation, normalization,
          .init(philox, .unlabeledAugmentation, slot: slot, step: step))
        return (example, unlabeled.images.source(index).image)
      }
    }
    return Batch(
      step: step, labeled: first.map(\.0), unlabeled: (second ?? []).map(\.0),
      identifiers: (first + (second ?? [])).map(\.1))
  }

  /// Waits for the next step's batch.
  ///
  /// - Returns: nil after the last step and after ``stop()``.
  /// - Throws: the error that the thread met while it loaded this step, at every later call too; ``DatasetError`` for
  ///   images of different sizes.
  public func next() throws -> Batch? {
    guard let batch = try queue.take() else { return nil }
    let examples = batch.labeled + batch.unlabeled
    guard let first = examples.first else { return batch }
    if let other = examples.firstIndex(where: { $0.height != first.height || $0.width != first.width }) {
      // Usually found at the start, by the files' headers. Here it may be found on one rank alone.
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

extension ImageSet {
  /// What a slot gets of an image: of a large one that can be read by rows, those alone that the piece needs are read.
  fileprivate func example(
    _ index: Int, labeled: Bool, _ augmentation: Augmentation, _ normalization: Normalization,
    _ draws: Augmentation.Draws
  ) throws -> Example {
    try namingOrigin(of: index) {
      guard let size = sizeByRows(index), normalization.statistics == .dataset else {
        guard labeled else {
          return augmentation.apply(try image(index), nil, normalization: normalization, draws: draws)
        }
        let (image, labels) = try labeledImage(index)
        return augmentation.apply(image, labels, normalization: normalization, draws: draws)
      }
      let labels = try labeled ? labels(index) : nil
      if let labels { try requireSameSize(index, image: size, labels) }
      return try augmentation.apply(
        height: size.height, width: size.width, labels, normalization: normalization, draws: draws
      ) { try image(index, rows: $0) }
    }
  }
}

/// A bounded queue between the loading thread and the training thread.
///
/// An object of its own, so that the thread does not keep the loader alive.
private final class BatchQueue: @unchecked Sendable {
  private let depth: Int
  private let condition = NSCondition()
  // Guarded by `condition`.
  private var waiting: [Result<Batch, any Error>] = []
  private var stopped = false
  private var finished = false

  init(depth: Int) { self.depth = depth }

  /// - Returns: whether to go on: false after an error and after ``stop()``.
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
      // An error stays in the queue, so that later calls throw it too.
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
