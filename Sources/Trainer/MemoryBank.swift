import Compute

/// The memory bank: per class, a first-in first-out queue of negative vectors.
///
/// A vector that is negative for several classes is stored once; the queues hold numbers of slots, and a slot is free again
/// when no queue holds it. Every rank applies the same changes in the same order, so all banks are equal.
package final class MemoryBank {
  package let features: Int
  package let capacities: [Int]
  package private(set) var queues: [Queue]

  /// Slots of `features` floats; pages are touched only as slots come into use.
  private var vectors: UnsafeMutablePointer<Float>
  /// Euclidean norm of each slot's vector, clamped below at 1e-8.
  package private(set) var norms: [Float] = []
  private var references: [Int32] = []
  private var free: [Int32] = []
  private var allocated = 0

  /// A ring of slot numbers.
  package struct Queue {
    fileprivate var slots: [Int32]
    fileprivate var head = 0
    package fileprivate(set) var count = 0
    fileprivate init(capacity: Int) { slots = [Int32](repeating: 0, count: capacity) }

    /// The slot of the i-th oldest entry.
    package subscript(i: Int) -> Int {
      let at = head + i
      return Int(slots[at < slots.count ? at : at - slots.count])
    }
  }

  /// - Parameters:
  ///   - capacities: of each class's queue.
  ///   - features: length D of a vector.
  package init(capacities: [Int], features: Int) {
    self.capacities = capacities
    self.features = features
    queues = capacities.map { Queue(capacity: $0) }
    vectors = .allocate(capacity: 0)
  }

  deinit { vectors.deallocate() }

  /// Vectors stored, each counted once.
  package var storedVectors: Int { norms.count - free.count }

  package func vector(slot: Int) -> UnsafePointer<Float> { UnsafePointer(vectors + slot * features) }

  /// Appends new keys, oldest first, to each class's queue; the oldest entries leave where a queue is full.
  ///
  /// - Parameters:
  ///   - keys: for each class, the numbers of its new vectors among `new`, at most the class's capacity.
  ///   - new: vectors of `features` floats, one after the other.
  package func enqueue(_ keys: [[Int]], new: [Float]) {
    let count = new.count / max(features, 1)
    var slots = [Int32](repeating: -1, count: count)
    for c in keys.indices {
      for key in keys[c] {
        if slots[key] < 0 { slots[key] = store(new, key) }
        references[Int(slots[key])] += 1
        push(c, slots[key])
      }
    }
  }

  private func push(_ c: Int, _ slot: Int32) {
    let capacity = queues[c].slots.count
    if queues[c].count == capacity {
      let oldest = queues[c].slots[queues[c].head]
      queues[c].slots[queues[c].head] = slot
      queues[c].head = (queues[c].head + 1) % capacity
      references[Int(oldest)] -= 1
      if references[Int(oldest)] == 0 { free.append(oldest) }
    } else {
      queues[c].slots[(queues[c].head + queues[c].count) % capacity] = slot
      queues[c].count += 1
    }
  }

  private func store(_ new: [Float], _ key: Int) -> Int32 {
    let slot: Int32
    if let reused = free.popLast() {
      slot = reused
    } else {
      slot = Int32(norms.count)
      norms.append(0)
      references.append(0)
      if norms.count > allocated { grow() }
    }
    let target = vectors + Int(slot) * features
    var squares = 0.0
    for i in 0..<features {
      let value = new[key * features + i]
      target[i] = value
      squares += Double(value) * Double(value)
    }
    norms[Int(slot)] = max(Float(squares.squareRoot()), 1e-8)
    return slot
  }

  private func grow() {
    let larger = max(1024, allocated * 2)
    let moved = UnsafeMutablePointer<Float>.allocate(capacity: larger * features)
    moved.update(from: vectors, count: allocated * features)
    vectors.deallocate()
    vectors = moved
    allocated = larger
  }

  // MARK: Saving

  /// Contents that do not depend on which slots are in use: the vectors in the order in which the queues, class by class
  /// and oldest first, name them, and each queue as numbers of these.
  package func snapshot() -> (vectors: [Float], queues: [[Int32]]) {
    var number = [Int32](repeating: -1, count: norms.count)
    var out: [Float] = []
    out.reserveCapacity(storedVectors * features)
    var next: Int32 = 0
    let lists = queues.map { queue in
      (0..<queue.count).map { i in
        let slot = queue[i]
        if number[slot] < 0 {
          number[slot] = next
          next += 1
          out.append(contentsOf: UnsafeBufferPointer(start: vectors + slot * features, count: features))
        }
        return number[slot]
      }
    }
    return (out, lists)
  }

  /// Replaces an empty bank's contents.
  package func restore(vectors new: [Float], queues lists: [[Int32]]) {
    precondition(storedVectors == 0)
    enqueue(lists.map { $0.map(Int.init) }, new: new)
  }
}
