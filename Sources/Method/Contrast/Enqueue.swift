import Compute
import Configuration
import Distributed
import Network

/// Line 8 of docs/method.md: new keys enter the memory bank, in global order: labeled then unlabeled, by sample, then row-major.
package struct Enqueue {
  private let context: StepContext

  package init(_ context: StepContext) { self.context = context }

  /// Collective: the node leaders' banks change alike.
  ///
  /// - Parameters:
  ///   - counts: of negatives, [global slot][class].
  ///   - representation: the teacher's z̄, N × h × w × D.
  package func callAsFunction(
    _ candidates: Candidates, counts: [[Int]], representation: Tensor, into bank: MemoryBank
  ) throws {
    let classes = bank.capacities.count, pixels = representation.pixels
    let totals = (0..<classes).map { c in counts.reduce(0) { $0 + $1[c] } }
    var kept = [[Int]](repeating: [], count: classes)
    kept.withUnsafeMutableBufferPointer { kept in
      nonisolated(unsafe) let kept = kept
      parallelFor(classes) { kept[$0] = positionsKept(of: totals[$0], capacity: bank.capacities[$0], $0) }
    }

    let mine = keys(candidates, counts: counts, kept: kept, pixels: pixels)
    // A pixel that is a key of several classes travels once.
    let myPixels = Set(mine.map(\.pixel)).sorted()
    let myVectors = vectors(at: myPixels, of: representation)
    let nodes = bank.nodes
    func gathered<Element: BitwiseCopyable>(_ values: [Element]) throws -> [Element]? {
      try nodes.map { try $0.gatherToLeaders(values) } ?? values
    }
    // Every rank takes part in all three.
    let all = (keys: try gathered(mine), pixels: try gathered(myPixels), vectors: try gathered(myVectors))
    var new: MemoryBank.NewKeys?
    if let keys = all.keys, let pixels = all.pixels, let vectors = all.vectors {
      new = newKeys(keys, pixels: pixels, vectors: vectors, classes: classes)
    }
    try bank.enqueue(new, counts: kept.map(\.count))
  }

  /// A key by its class and global pixel = slot · h·w + pixel: in the order of these, a class's keys are in the global one.
  private struct Key: BitwiseCopyable {
    let classNumber: UInt64
    let pixel: UInt64
  }

  fileprivate static let keyBytes = MemoryLayout<Key>.size

  /// The kept keys of this rank's samples.
  private func keys(_ candidates: Candidates, counts: [[Int]], kept: [[Int]], pixels: Int) -> [Key] {
    var keys: [Key] = []
    for c in kept.indices {
      var first = [Int](repeating: 0, count: counts.count)
      for slot in 1..<max(counts.count, 1) { first[slot] = first[slot - 1] + counts[slot - 1][c] }
      for (sample, slot) in context.layout.globalSlots.enumerated() where counts[slot][c] > 0 {
        let range = first[slot]..<first[slot] + counts[slot][c]
        var at = lowerBound(kept[c], range.lowerBound)
        while at < kept[c].count, kept[c][at] < range.upperBound {
          let pixel = Int(candidates.negatives[sample][c][kept[c][at] - range.lowerBound])
          keys.append(Key(classNumber: UInt64(c), pixel: UInt64(slot * pixels + pixel)))
          at += 1
        }
      }
    }
    return keys
  }

  private func vectors(at pixels: [UInt64], of representation: Tensor) -> [Float] {
    let layout = context.layout
    var sampleOfSlot = [Int](repeating: 0, count: layout.labeled + layout.unlabeled)
    for (sample, slot) in layout.globalSlots.enumerated() { sampleOfSlot[slot] = sample }
    let (features, plane) = (representation.channels, representation.pixels)
    return [Float](unsafeUninitializedCapacity: pixels.count * features) { vectors, count in
      for (i, pixel) in pixels.enumerated() {
        let from = representation.sample(sampleOfSlot[Int(pixel) / plane]) + (Int(pixel) % plane) * features
        (vectors.baseAddress! + i * features).update(from: from, count: features)
      }
      count = pixels.count * features
    }
  }

  /// All ranks' keys in global order, by the numbers of their vectors.
  private func newKeys(_ keys: [Key], pixels: [UInt64], vectors: [Float], classes: Int) -> MemoryBank.NewKeys {
    var number: [UInt64: Int] = Dictionary(minimumCapacity: pixels.count)
    for (i, pixel) in pixels.enumerated() { number[pixel] = i }
    var lists = [[Int]](repeating: [], count: classes)
    for key in keys.sorted(by: { $0.pixel < $1.pixel }) { lists[Int(key.classNumber)].append(number[key.pixel]!) }
    return MemoryBank.NewKeys(vectors: vectors, numbers: lists)
  }

  /// Positions among a class's new keys that enter the bank, ascending: those with the smallest draws, ties to the lower
  /// position, where there are more than the limit; and of these no more than the queue can hold.
  private func positionsKept(of total: Int, capacity: Int, _ c: Int) -> [Int] {
    var positions: [Int]
    if let limit = context.configuration.newKeysPerStep, total > limit {
      let draws = (0..<total).map { position in
        let word = context.philox.words(
          index: UInt32(position), item: UInt32(c), step: UInt32(context.step), stream: .enqueue)[0]
        return UInt64(word) << 32 | UInt64(position)
      }
      positions = draws.sorted().prefix(limit).map { Int($0 & 0xFFFF_FFFF) }.sorted()
    } else {
      positions = Array(0..<total)
    }
    return Array(positions.suffix(capacity))
  }
}

extension Traffic {
  /// ``Enqueue``: keys, numbers of pixels, and vectors, with classes in all orders equally often.
  package mutating func enqueue(_ size: StepSize) {
    let settings = size.configuration.u2pl
    let pixels = Double(size.ranks * size.mapPixels)
    let low = min(settings.lowRank, size.classes), high = min(settings.highRank, size.classes)
    let labeled = Double(size.labeled) * pixels
    let unreliable = Double(size.unlabeled) * pixels * max(settings.alpha0, settings.alphaEnd)
    let ofClass = (labeled * Double(low) + unreliable * Double(max(0, high - low))) / Double(size.classes)
    let limit = size.configuration.newKeysPerStep.map(Double.init) ?? .infinity
    let keys = settings.capacity.reduce(0.0) { $0 + min(ofClass, limit, Double($1)) }
    // A pixel that is a key of several classes travels once.
    let vectors = min(keys, labeled + unreliable)
    gatherToLeaders(totalBytes: keys * Double(Enqueue.keyBytes))
    gatherToLeaders(totalBytes: vectors * Double(MemoryLayout<UInt64>.size))
    gatherToLeaders(totalBytes: vectors * Double(size.configuration.model.features * MemoryLayout<Float>.size))
  }
}

extension Configuration {
  /// How many keys of a class may enter the bank in a step; nil for no limit.
  fileprivate var newKeysPerStep: Int? { semantics.newKeys == .published ? nil : u2pl.enqueuePerStep }
}

/// The first index of an ascending array whose element is not below `value`.
func lowerBound(_ sorted: [Int], _ value: Int) -> Int {
  var low = 0, high = sorted.count
  while low < high {
    let middle = (low + high) / 2
    if sorted[middle] < value { low = middle + 1 } else { high = middle }
  }
  return low
}
