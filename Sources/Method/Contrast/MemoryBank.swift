import Distributed

/// The memory bank: per class, a first-in first-out queue of negative vectors, one copy a node.
///
/// A vector that is negative for several classes is stored once; the queues hold numbers of cells, and a cell is free again
/// when no queue holds it. Vectors, their norms and the queues lie in memory that the ranks of a node share; the node's
/// leader changes them, and every rank keeps the queues' lengths. All nodes apply the same changes in the same order, so
/// all banks are equal.
package final class MemoryBank {
  package let features: Int
  package let capacities: [Int]
  package private(set) var queues: [Queue]
  /// Euclidean norm of each cell's vector, clamped below at 1e-8.
  package let norms: UnsafeMutablePointer<Float>

  /// Cells of `features` floats; pages are touched only as cells come into use.
  private let vectors: UnsafeMutablePointer<Float>
  private let memory: NodeSharedMemory
  package let nodes: NodeGroup?

  // Kept by the leader: how many queue entries name each cell, and the cells that none does.
  private var references: [Int32] = []
  private var free: [Int32] = []

  /// A ring of cell numbers in the node's memory.
  package struct Queue {
    fileprivate let cells: UnsafeMutablePointer<Int32>
    fileprivate let capacity: Int
    fileprivate var head = 0
    package fileprivate(set) var count = 0

    fileprivate init(_ cells: UnsafeMutablePointer<Int32>, capacity: Int) {
      self.cells = cells
      self.capacity = capacity
    }

    /// The cell of the i-th oldest entry.
    package subscript(i: Int) -> Int {
      let at = head + i
      return Int(cells[at < capacity ? at : at - capacity])
    }

    /// Room for the next entry: its place in the ring, and whether the oldest leaves it.
    fileprivate mutating func push() -> (place: Int, isFull: Bool) {
      if count == capacity {
        defer { head = (head + 1) % capacity }
        return (head, true)
      }
      count += 1
      return ((head + count - 1) % capacity, false)
    }
  }

  /// Collective.
  ///
  /// - Parameters:
  ///   - capacities: of each class's queue.
  ///   - features: length D of a vector.
  ///   - nodes: who shares memory; nil for a process alone.
  /// - Throws: ``CollectiveFailure`` on every rank when a node's shared memory is too small.
  package init(capacities: [Int], features: Int, nodes: NodeGroup? = nil) throws {
    self.capacities = capacities
    self.features = features
    self.nodes = nodes
    // A new vector is stored before the one it drives out is given up.
    let entries = capacities.reduce(0, +), cells = entries + 1
    func aligned(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }
    let rings = aligned(cells * 4), first = rings + aligned(entries * 4)
    let bytes = first + cells * features * 4
    memory = try nodes.map { try NodeSharedMemory(byteCount: bytes, nodes: $0) } ?? NodeSharedMemory(byteCount: bytes)
    norms = memory.base.bindMemory(to: Float.self, capacity: cells)
    vectors = (memory.base + first).bindMemory(to: Float.self, capacity: cells * features)
    var ring = (memory.base + rings).bindMemory(to: Int32.self, capacity: entries)
    queues = capacities.map { capacity in
      defer { ring += capacity }
      return Queue(ring, capacity: capacity)
    }
  }

  package var isLeader: Bool { nodes?.isLeader ?? true }
  /// Cells in use or once used; known to the leader.
  private var usedCells: Int { references.count }

  /// Bytes a node sets aside for the bank, whatever the number of its ranks.
  package var bytesPerNode: Int { memory.byteCount }
  /// Vectors stored, each counted once; known to the leader.
  package var storedVectors: Int { usedCells - free.count }

  package func vector(cell: Int) -> UnsafePointer<Float> { UnsafePointer(vectors + cell * features) }

  /// New vectors, and which of them enter which class's queue.
  package struct NewKeys {
    /// Vectors of `features` floats, one after the other.
    package let vectors: [Float]
    /// For each class, numbers of its new vectors, oldest first, at most the class's capacity.
    package let numbers: [[Int]]

    package init(vectors: [Float], numbers: [[Int]]) {
      self.vectors = vectors
      self.numbers = numbers
    }
  }

  /// Appends new keys to each class's queue; the oldest entries leave where a queue is full. Collective over the node, in
  /// which every rank has to be done with reading.
  ///
  /// - Parameters:
  ///   - new: what the leader stores; nil on other ranks.
  ///   - counts: how many keys each class gets.
  package func enqueue(_ new: NewKeys?, counts: [Int]) throws {
    if isLeader {
      store(new!)
    } else {
      for c in counts.indices {
        for _ in 0..<counts[c] { _ = queues[c].push() }
      }
    }
    try memory.publish()
  }

  private func store(_ new: NewKeys) {
    var cells = [Int32](repeating: -1, count: new.vectors.count / max(features, 1))
    for c in new.numbers.indices {
      for key in new.numbers[c] {
        if cells[key] < 0 { cells[key] = store(new.vectors, key) }
        references[Int(cells[key])] += 1
        let (place, isFull) = queues[c].push()
        if isFull { release(queues[c].cells[place]) }
        queues[c].cells[place] = cells[key]
      }
    }
  }

  private func release(_ cell: Int32) {
    references[Int(cell)] -= 1
    if references[Int(cell)] == 0 { free.append(cell) }
  }

  private func store(_ new: [Float], _ key: Int) -> Int32 {
    let cell: Int32
    if let reused = free.popLast() {
      cell = reused
    } else {
      cell = Int32(usedCells)
      references.append(0)
    }
    let target = vectors + Int(cell) * features
    var squares = 0.0
    for i in 0..<features {
      let value = new[key * features + i]
      target[i] = value
      squares += Double(value) * Double(value)
    }
    norms[Int(cell)] = max(Float(squares.squareRoot()), 1e-8)
    return cell
  }

  /// The bytes of everything the node's ranks share, as far as it is in use; to be called on a leader. Equal on all
  /// leaders, which make the same changes in the same order.
  package func withSharedBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    body(UnsafeRawBufferPointer(start: norms, count: usedCells * 4))
    body(UnsafeRawBufferPointer(start: vectors, count: usedCells * features * 4))
    for queue in queues { body(UnsafeRawBufferPointer(start: queue.cells, count: queue.count * 4)) }
  }

  // MARK: Saving

  /// Contents that do not depend on which cells are in use: the vectors in the order in which the queues, class by class
  /// and oldest first, name them, and each queue as numbers of these. To be called on a leader.
  package func snapshot() -> (vectors: [Float], queues: [[Int32]]) {
    var number = [Int32](repeating: -1, count: usedCells)
    var out: [Float] = []
    out.reserveCapacity(storedVectors * features)
    var next: Int32 = 0
    let lists = queues.map { queue in
      (0..<queue.count).map { i in
        let cell = queue[i]
        if number[cell] < 0 {
          number[cell] = next
          next += 1
          out.append(contentsOf: UnsafeBufferPointer(start: vectors + cell * features, count: features))
        }
        return number[cell]
      }
    }
    return (out, lists)
  }

  /// Replaces an empty bank's contents. Collective over the node; other ranks than its leader pass nil.
  package func restore(_ contents: NewKeys?, counts: [Int]) throws {
    precondition(queues.allSatisfy { $0.count == 0 })
    try enqueue(contents, counts: counts)
  }

  /// Gives the node's memory back. Collective over the node; the bank is of no use after it.
  package func close() throws { try memory.close() }
}
