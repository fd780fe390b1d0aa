// Ranks: 1 2 4
import Compute
import Distributed
import Foundation
import Method
import Network
import TestSupport
import XCTest

/// The memory bank and what enters it, against arrays.
final class MemoryBankTests: XCTestCase {
  /// Arrays of vectors, each with a number of its own.
  private struct Plain {
    var queues: [[(number: Int, vector: [Float])]]
    let capacities: [Int]

    init(_ capacities: [Int]) {
      self.capacities = capacities
      queues = capacities.map { _ in [] }
    }

    mutating func enqueue(_ c: Int, _ keys: [(number: Int, vector: [Float])]) {
      queues[c] = (queues[c] + keys).suffix(capacities[c])
    }

    var distinct: Int { Set(queues.flatMap { $0.map(\.number) }).count }
  }

  private func assertEqual(_ bank: MemoryBank, _ plain: Plain, _ message: String) {
    for (c, expected) in plain.queues.enumerated() {
      let queue = bank.queues[c]
      XCTAssertEqual(queue.count, expected.count, "\(message), length of queue \(c)")
      guard queue.count == expected.count else { return }
      let wrong = expected.indices.filter { i in
        let vector = expected[i].vector
        let norm = vector.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        let got = UnsafeBufferPointer(start: bank.vector(cell: queue[i]), count: bank.features)
        return Array(got) != vector || !agree(Double(bank.norms[queue[i]]), max(norm, 1e-8), 1e-6)
      }
      XCTAssertEqual(wrong, [], "\(message), entries of queue \(c)")
    }
    // The ranks of a node share a bank that their leader keeps.
    guard bank.isLeader else { return }
    XCTAssertEqual(bank.storedVectors, plain.distinct, "\(message): a vector of several queues is stored once")
  }

  func testRandomSequences() throws {
    let features = 5
    for capacities in [[7, 1, 40, 12], [3, 3, 3, 3], [1, 100, 2, 64]] {
      let bank = try MemoryBank(capacities: capacities, features: features)
      var plain = Plain(capacities)
      var number = 0
      for round in 0..<60 {
        let name = "\(capacities) round \(round)"
        let count = Int(hashed("\(name) count", 1)[0] % 15)
        let new = uniform("\(name) vectors", count * features)
        let vectors = (0..<count).map { (number + $0, Array(new[$0 * features..<($0 + 1) * features])) }
        number += count
        let keys = capacities.indices.map { c in
          // About half of the new vectors; none in some rounds.
          let draws = hashed("\(name) class \(c)", count + 1)
          let chosen = draws[count] % 5 == 0 ? [] : (0..<count).filter { draws[$0] % 2 == 0 }
          return Array(chosen.suffix(capacities[c]))
        }
        try bank.enqueue(keys, new: new)
        for c in capacities.indices { plain.enqueue(c, keys[c].map { vectors[$0] }) }
        assertEqual(bank, plain, name)
      }
      XCTAssertEqual(bank.queues.map(\.count), capacities, "every queue has been filled")
    }
  }

  func testVectorsWithoutLength() throws {
    let bank = try MemoryBank(capacities: [4], features: 3)
    try bank.enqueue([[0]], new: [0, 0, 0])
    XCTAssertEqual(bank.norms[bank.queues[0][0]], 1e-8)
  }

  func testSnapshotAndRestore() throws {
    let (capacities, features) = ([9, 4, 30], 6)
    let bank = try MemoryBank(capacities: capacities, features: features)
    func feed(_ bank: MemoryBank, _ rounds: Range<Int>) throws {
      for round in rounds {
        let draws = hashed("snapshot \(round)", 8)
        try bank.enqueue(
          capacities.indices.map { c in
            Array((0..<8).filter { draws[$0] >> UInt64(8 * c) & 3 != 0 }.suffix(capacities[c]))
          }, new: uniform("snapshot vectors \(round)", 8 * features))
      }
    }
    func assertSame(_ a: MemoryBank, _ b: MemoryBank) {
      let (a, b) = (a.snapshot(), b.snapshot())
      XCTAssertEqual(a.vectors, b.vectors)
      XCTAssertEqual(a.queues, b.queues)
    }
    for first in [0, 1, 2, 10, 30] {
      let saved = bank.snapshot()
      XCTAssertEqual(saved.vectors.count, bank.storedVectors * features)
      XCTAssertEqual(saved.queues.map(\.count), bank.queues.map(\.count))
      let restored = try MemoryBank(capacities: capacities, features: features)
      try restored.enqueue(saved.queues.map { $0.map(Int.init) }, new: saved.vectors)
      XCTAssertEqual(restored.storedVectors, bank.storedVectors)
      assertSame(restored, bank)
      // Both go on alike, although their slots may be numbered differently.
      try feed(bank, first..<first + 7)
      try feed(restored, first..<first + 7)
      assertSame(restored, bank)
    }
  }

  /// Keys of several steps enter from all ranks in global order; where there are too many, those with the smallest draws.
  func testKeysEnterInGlobalOrder() throws {
    let ranks = TestRanks.world
    guard SharedBatch.divides(over: ranks.size) else { throw XCTSkip("SKIPPED: 4 + 8 samples on \(ranks.size) ranks") }
    let layout = SharedBatch.layout(rank: ranks.rank, ranks: ranks.size)
    let (features, pixels, seed) = (3, 20, 77 << 32 + 5 as UInt64)
    let capacities = [500, 60, 25, 40]
    for limit in [nil, 30, 7] as [Int?] {
      let bank = try MemoryBank(capacities: capacities, features: features, nodes: try NodeGroup(ranks))
      var plain = Plain(capacities)
      for step in 0..<4 {
        func keys(_ slot: Int, _ c: Int) -> [Int32] {
          let draws = hashed("keys \(step) \(slot) \(c)", pixels)
          return (0..<Int32(pixels)).filter { draws[Int($0)] % [1, 3, 2, 40][c] == 0 }
        }
        let candidates = SharedBatch.candidates(layout, classes: 4, anchors: { _, _ in [] }, negatives: keys)
        let counts = try candidates.globalCounts(layout, ranks: ranks).negatives
        let table = (0..<SharedBatch.slots).map { slot in (0..<4).map { keys(slot, $0).count } }
        XCTAssertEqual(counts, table)

        func vectors(_ slot: Int) -> [Float] { uniform("z \(step) \(slot)", pixels * features) }
        let z = Tensor(count: layout.globalSlots.count, height: 4, width: 5, channels: features)
        for (i, slot) in layout.globalSlots.enumerated() { z.sample(i).update(from: vectors(slot), count: 60) }
        let settings = try configuration("u2pl: {enqueue_per_step: \(limit.map(String.init) ?? "null")}")
        try Enqueue(SharedBatch.context(settings, seed: seed, step: step, ranks: ranks))(
          candidates, counts: counts, representation: z, into: bank)

        for c in 0..<4 {
          var new: [(number: Int, vector: [Float])] = []
          for slot in 0..<SharedBatch.slots {
            let all = vectors(slot)
            for p in keys(slot, c).map(Int.init) {
              let number = (step * SharedBatch.slots + slot) * pixels + p
              new.append((number, Array(all[p * features..<(p + 1) * features])))
            }
          }
          if let limit, new.count > limit {
            let draws = new.indices.map {
              Philox(seed: seed).words(counter: SIMD4(UInt32($0), UInt32(c), UInt32(step), 3))[0]
            }
            let kept = new.indices.sorted { draws[$0] < draws[$1] }.prefix(limit).sorted()
            new = kept.map { new[$0] }
          }
          plain.enqueue(c, new)
        }
        assertEqual(bank, plain, "limit \(limit.map(String.init) ?? "none"), step \(step)")
      }
    }
  }
}

extension MemoryBank {
  /// As the leader does: keys of each class by their numbers among `new`.
  fileprivate func enqueue(_ keys: [[Int]], new: [Float]) throws {
    try enqueue(NewKeys(vectors: new, numbers: keys), counts: keys.map(\.count))
  }
}
