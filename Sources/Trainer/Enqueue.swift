import Compute
import Distributed
import Network

/// Line 8 of a step: new keys enter the memory bank, in global order: labeled then unlabeled, by sample, then row-major.
package struct Enqueue {
  let philox: Philox
  /// Most keys of a class that enter in a step; nil for no limit.
  let limit: Int?

  package init(philox: Philox, limit: Int?) {
    self.philox = philox
    self.limit = limit
  }

  /// Every rank calls it and makes the same change to its bank.
  ///
  /// - Parameters:
  ///   - counts: of negatives, [global slot][class].
  ///   - representation: the teacher's z̄, N × h × w × D.
  package func callAsFunction(
    _ candidates: Candidates, counts: [[Int]], representation: Tensor, into bank: MemoryBank, layout: BatchLayout,
    step: Int, ranks: Communicator
  ) throws {
    let classes = bank.capacities.count, pixels = representation.pixels
    let totals = (0..<classes).map { c in counts.reduce(0) { $0 + $1[c] } }
    var kept = [[Int]](repeating: [], count: classes)
    kept.withUnsafeMutableBufferPointer { kept in
      nonisolated(unsafe) let kept = kept
      parallelFor(classes) { kept[$0] = positionsKept(of: totals[$0], capacity: bank.capacities[$0], $0, step) }
    }

    // Each rank names its kept keys by global pixel = slot · h·w + pixel; sorted, these are in the global order.
    let slots = layout.globalSlots
    var mine: [UInt64] = []
    for c in 0..<classes {
      var first = [Int](repeating: 0, count: counts.count)
      for slot in 1..<max(counts.count, 1) { first[slot] = first[slot - 1] + counts[slot - 1][c] }
      for (sample, slot) in slots.enumerated() where counts[slot][c] > 0 {
        let range = first[slot]..<first[slot] + counts[slot][c]
        var at = lowerBound(kept[c], range.lowerBound)
        while at < kept[c].count, kept[c][at] < range.upperBound {
          let pixel = Int(candidates.negatives[sample][c][kept[c][at] - range.lowerBound])
          mine.append(UInt64(c) << 48 | UInt64(slot * pixels + pixel))
          at += 1
        }
      }
    }
    let keys = try ranks.allGather(mine).elements.sorted()
    let mask = (1 as UInt64) << 48 - 1

    // A pixel that is a key of several classes travels once.
    let myPixels = Set(mine.map { $0 & mask }).sorted()
    var sampleOfSlot = [Int](repeating: 0, count: counts.count)
    for (sample, slot) in slots.enumerated() { sampleOfSlot[slot] = sample }
    let features = representation.channels
    var vectors = [Float](repeating: 0, count: myPixels.count * features)
    vectors.withUnsafeMutableBufferPointer { vectors in
      for (i, pixel) in myPixels.enumerated() {
        let from = representation.sample(sampleOfSlot[Int(pixel) / pixels]) + (Int(pixel) % pixels) * features
        (vectors.baseAddress! + i * features).update(from: from, count: features)
      }
    }
    let allPixels = try ranks.allGather(myPixels).elements
    let allVectors = try ranks.allGather(vectors).elements
    var number: [UInt64: Int] = Dictionary(minimumCapacity: allPixels.count)
    for (i, pixel) in allPixels.enumerated() { number[pixel] = i }
    var lists = [[Int]](repeating: [], count: classes)
    for key in keys { lists[Int(key >> 48)].append(number[key & mask]!) }
    bank.enqueue(lists, new: allVectors)
  }

  /// Positions among a class's new keys that enter the bank, ascending: those with the smallest draws, ties to the lower
  /// position, where there are more than the limit; and of these no more than the queue can hold.
  private func positionsKept(of total: Int, capacity: Int, _ c: Int, _ step: Int) -> [Int] {
    var positions: [Int]
    if let limit, total > limit {
      let draws = (0..<total).map { position in
        let word = philox.words(index: UInt32(position), item: UInt32(c), step: UInt32(step), stream: .enqueue)[0]
        return UInt64(word) << 32 | UInt64(position)
      }
      positions = draws.sorted().prefix(limit).map { Int($0 & 0xFFFF_FFFF) }.sorted()
    } else {
      positions = Array(0..<total)
    }
    return Array(positions.suffix(capacity))
  }
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
