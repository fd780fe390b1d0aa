// Ranks: 1 2 4
import Compute
import Distributed
import Foundation
import Method
import Network
import TestSupport
import XCTest

/// L_c against its formula in double precision, and its gradient against central differences of that.
final class ContrastiveLossTests: XCTestCase {
  private let ranks = TestRanks.world
  private let (height, width, features, step) = (3, 4, 6, 9)
  private let seed: UInt64 = 40 << 32 + 2
  private var pixels: Int { height * width }

  override func setUpWithError() throws { try BLAS.load() }

  private func z(_ name: String, _ slot: Int) -> [Float] { uniform("\(name) \(slot)", pixels * features) }

  private func tensor(_ name: String, _ layout: BatchLayout) -> Tensor {
    let t = Tensor(count: layout.globalSlots.count, height: height, width: width, channels: features)
    for (i, slot) in layout.globalSlots.enumerated() {
      t.sample(i).update(from: z(name, slot), count: pixels * features)
    }
    return t
  }

  private struct Case {
    let name: String
    /// Vectors in each class's queue.
    let bank: [Int]
    /// Anchor pixels of a (slot, class).
    let anchors: (_ slot: Int, _ c: Int) -> [Int32]
    var m = 8, n = 5
    var temperature = 0.5
    var classes: Int { bank.count }
  }

  /// L_c of the whole batch: M anchors of each class that has anchors and negatives, mean over all C classes.
  ///
  /// - Parameters:
  ///   - z: the student's vectors, [slot][pixel · D].
  ///   - queues: the negatives.
  private func plainLoss(_ c: Case, _ z: [[Double]], _ queues: [[[Double]]]) -> Double {
    func vector(_ z: [[Double]], _ slot: Int, _ pixel: Int) -> ArraySlice<Double> {
      z[slot][pixel * features..<(pixel + 1) * features]
    }
    func norm(_ v: ArraySlice<Double>) -> Double { max(v.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-8) }
    func cosine(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
      zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / norm(a) / norm(b)
    }
    func draw(_ stream: UInt32, _ index: Int, _ item: Int, below count: Int) -> Int {
      let word = Philox(seed: seed).words(counter: SIMD4(UInt32(index), UInt32(item), UInt32(step), stream))[0]
      return Int((UInt64(word) * UInt64(count)) >> 32)
    }
    var loss = 0.0
    for k in 0..<c.classes {
      let anchors = (0..<SharedBatch.slots).flatMap { slot in c.anchors(slot, k).map { (slot, Int($0)) } }
      guard !anchors.isEmpty, !queues[k].isEmpty else { continue }
      var centroid = [Double](repeating: 0, count: features)
      for (slot, pixel) in anchors {
        let teacher = self.z("teacher", slot)
        for d in 0..<features { centroid[d] += Double(teacher[pixel * features + d]) / Double(anchors.count) }
      }
      for i in 0..<c.m {
        let (slot, pixel) = anchors[draw(1, i, k, below: anchors.count)]
        let anchor = vector(z, slot, pixel)
        let positive = exp(cosine(anchor, centroid[...]) / c.temperature)
        var sum = positive
        for j in 0..<c.n {
          let negative = queues[k][draw(2, i * c.n + j, k, below: queues[k].count)]
          sum += exp(cosine(anchor, negative[...]) / c.temperature)
        }
        loss -= log(positive / sum)
      }
    }
    return loss / Double(c.classes * c.m)
  }

  private func bank(_ c: Case) throws -> (MemoryBank, [[[Double]]]) {
    let bank = try MemoryBank(capacities: [Int](repeating: 40, count: c.classes), features: features)
    // Every class takes the first vectors, so that most are shared.
    let count = c.bank.max() ?? 0
    let new = uniform("\(c.name) bank", count * features)
    try bank.enqueue(
      MemoryBank.NewKeys(vectors: new, numbers: c.bank.map { Array(0..<$0) }), counts: c.bank)
    let queues = c.bank.map { n in
      (0..<n).map { new[$0 * features..<($0 + 1) * features].map(Double.init) }
    }
    return (bank, queues)
  }

  private func loss(
    _ c: Case, _ layout: BatchLayout, _ ranks: Communicator, scale: Double
  ) throws -> (loss: Double, gradient: Tensor?) {
    let settings = try configuration(
      classes: c.classes,
      """
      u2pl: {anchors: \(c.m), negatives: \(c.n), temperature: \(c.temperature), low_rank: 1, high_rank: 3, \
      lambda_c: \(scale)}
      """)
    let candidates = SharedBatch.candidates(
      layout, classes: c.classes, anchors: c.anchors, negatives: { _, _ in [] })
    let context = StepContext(
      settings, schedule: Schedule(settings, labeledCount: SharedBatch.labeled, unlabeledCount: SharedBatch.unlabeled),
      layout: layout, ranks: ranks, philox: Philox(seed: seed), step: step)
    return try ContrastiveLoss(context)(
      candidates, counts: try candidates.globalCounts(layout, ranks: ranks).anchors, z: tensor("student", layout),
      zTeacher: tensor("teacher", layout), memory: ContrastMemory(bank: try bank(c).0))
  }

  private func check(_ c: Case) throws {
    let layout = SharedBatch.layout(rank: ranks.rank, ranks: ranks.size)
    let (value, gradient) = try loss(c, layout, ranks, scale: 0.1)
    let queues = try bank(c).1
    var z = (0..<SharedBatch.slots).map { self.z("student", $0).map(Double.init) }
    let expected = plainLoss(c, z, queues)
    XCTAssertGreaterThan(expected, 0)
    XCTAssertTrue(agree(value, expected, 1e-6), "\(c.name): \(value), formula \(expected)")

    // The same bits as one rank with the whole batch, where ranks continue the tree.
    let alone = try loss(c, SharedBatch.layout(rank: 0, ranks: 1), .alone, scale: 0.1)
    if ranks.isPowerOfTwo { XCTAssertEqual(value, alone.loss, c.name) }

    let got = try XCTUnwrap(gradient)
    var worst = 0.0, greatest = 0.0
    for (sample, slot) in layout.globalSlots.enumerated() {
      for i in 0..<pixels * features {
        let at = z[slot][i]
        z[slot][i] = at + 1e-5
        let above = plainLoss(c, z, queues)
        z[slot][i] = at - 1e-5
        let slope = 0.1 * (above - plainLoss(c, z, queues)) / 2e-5
        z[slot][i] = at
        worst = max(worst, abs(Double(got.sample(sample)[i]) - slope))
        greatest = max(greatest, abs(slope))
        XCTAssertEqual(got.sample(sample)[i], alone.gradient!.sample(slot)[i], "\(c.name): on one rank")
      }
    }
    greatest = Double(try ranks.maximum([Int64(greatest * 1e12)])[0]) * 1e-12
    XCTAssertGreaterThan(greatest, 0)
    // Measured 2e-7.
    XCTAssertLessThan(worst, 5e-6 * greatest, "\(c.name): gradient, greatest \(greatest)")
  }

  private func someAnchors(_ slot: Int, _ c: Int) -> [Int32] {
    let draws = hashed("anchors \(slot) \(c)", pixels)
    return (0..<Int32(pixels)).filter { draws[Int($0)] % 4 == 0 }
  }

  private func requireDivisible() throws {
    guard SharedBatch.divides(over: ranks.size) else { throw XCTSkip("SKIPPED: 4 + 8 samples on \(ranks.size) ranks") }
  }

  /// Class 0 as usual; 1 with fewer vectors than negatives are drawn; 2 without anchors; 3 with anchors, but an empty
  /// bank. C stays 4.
  func testClassesThatLackSomething() throws {
    try requireDivisible()
    try check(Case(name: "lacking", bank: [17, 2, 9, 0]) { $1 == 2 ? [] : self.someAnchors($0, $1) })
  }

  func testTwoClasses() throws {
    try requireDivisible()
    try check(Case(name: "two", bank: [12, 30], anchors: someAnchors, m: 13, n: 7, temperature: 0.2))
  }

  /// Every anchor on one rank, and drawn many times.
  func testAnchorsOfOnePixel() throws {
    try requireDivisible()
    try check(Case(name: "one pixel", bank: [5, 5, 5]) { slot, c in slot == 11 && c < 2 ? [Int32(4 + c)] : [] })
  }

  func testNoClassTakesPart() throws {
    try requireDivisible()
    let layout = SharedBatch.layout(rank: ranks.rank, ranks: ranks.size)
    for c in [
      Case(name: "no anchors", bank: [5, 5], anchors: { _, _ in [] }),
      Case(name: "empty banks", bank: [0, 0], anchors: someAnchors),
      Case(name: "never both", bank: [0, 4]) { $1 == 0 ? self.someAnchors($0, 0) : [] },
    ] {
      let (value, gradient) = try loss(c, layout, ranks, scale: 1)
      XCTAssertEqual(value, 0, c.name)
      XCTAssertNil(gradient, c.name)
    }
  }

  /// Anchors and negatives of labeled and unlabeled pixels as defined, pixel by pixel in double precision.
  func testCandidates() throws {
    let (classes, lowRank, highRank, deltaP) = (5, 2, 4, 0.25)
    let logits = Tensor(count: 2, height: 6, width: 7, channels: classes)
    for (i, value) in uniform("candidate logits", logits.elements).enumerated() { logits.data[i] = 3 * value }
    let draws = hashed("candidate labels", 84)
    // Unlabeled pixels have a pseudo-label, or are unreliable, or (at γ_t exactly, or outside the image) neither.
    let labels = (0..<84).map { i -> UInt8 in
      let ignored = draws[i] % 5 == 0 || i >= 42 && draws[i] % 3 == 0
      return ignored ? ignoreLabel : UInt8(draws[i] >> 8 % UInt64(classes))
    }
    let unreliable = (0..<84).map { $0 >= 42 && labels[$0] == ignoreLabel && draws[$0] % 2 == 0 }
    let settings = try configuration(
      classes: classes, "u2pl: {low_rank: \(lowRank), high_rank: \(highRank), delta_p: \(deltaP)}"
    ).u2pl
    let candidates = Candidates(
      logits: logits, Candidates.Maps(labels: labels, unreliable: unreliable, labeledCount: 1), settings)
    var found = 0
    for sample in 0..<2 {
      for c in 0..<classes {
        var anchors: [Int32] = [], negatives: [Int32] = []
        for p in 0..<42 {
          let z = (0..<classes).map { Double(logits.sample(sample)[p * classes + $0]) }
          let rank = z.indices.count { z[$0] > z[c] || z[$0] == z[c] && $0 < c }
          let probability = exp(z[c]) / z.reduce(0) { $0 + exp($1) }
          let (label, index) = (labels[sample * 42 + p], sample * 42 + p)
          if Int(label) == c, probability > deltaP { anchors.append(Int32(p)) }
          let negative =
            sample == 0
            ? label != ignoreLabel && Int(label) != c && rank < lowRank
            : unreliable[index] && rank >= lowRank && rank < highRank
          if negative { negatives.append(Int32(p)) }
        }
        XCTAssertEqual(candidates.anchors[sample][c], anchors)
        XCTAssertEqual(candidates.negatives[sample][c], negatives)
        found += anchors.count + negatives.count
      }
    }
    XCTAssertGreaterThan(found, 60)
  }
}
