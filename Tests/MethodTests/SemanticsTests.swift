import Compute
import Configuration
import Foundation
import Method
import Network
import TestSupport
import Transforms
import XCTest

/// Each row in which the published program differs from the equations, on a case small enough to compute by hand.
final class SemanticsTests: XCTestCase {
  private typealias Row = WritableKeyPath<Configuration.Semantics, Configuration.Semantics.Source>

  private func semantics(_ rows: Row...) -> Configuration.Semantics {
    var semantics = Configuration.Semantics()
    for row in rows { semantics[keyPath: row] = .published }
    return semantics
  }

  override func setUpWithError() throws { try BLAS.load() }

  // MARK: Views

  /// On a 6 × 6 image half of the area is 18 pixels: 4 wide makes a height of 4½, which is rounded to 5 or to the even 4.
  func testRectangle() throws {
    var augment = try configuration("").augment
    (augment.mix, augment.mixProbability) = (.cutout, 1)
    func sizes(_ source: Configuration.Semantics.Source) throws -> Set<[Int]> {
      var found = Set<[Int]>()
      for step in 0..<40 {
        var view = PseudoLabeled(
          height: 6, width: 6, pixels: [Float](repeating: 1, count: 108), labels: [UInt8](repeating: 0, count: 36),
          confidence: [Float](repeating: 1, count: 36))
        try StrongView(augment, rectangle: source, philox: Philox(seed: 5)).apply(
          &view, labeled: [], firstSlot: 0, step: step, ranks: .alone)
        let removed = view.labels.indices.filter { view.labels[$0] == ignoreLabel }
        found.insert([Set(removed.map { $0 % 6 }).count, Set(removed.map { $0 / 6 }).count])
      }
      return found
    }
    XCTAssertEqual(try sizes(.equations), [[4, 5], [5, 4], [6, 3]])
    XCTAssertEqual(try sizes(.published), [[4, 4], [5, 4]])
  }

  // MARK: Line 6

  private func thresholds(
    _ entropy: [Float], alpha: Double, _ semantics: Configuration.Semantics
  ) throws -> (ReliabilityThresholds, PseudoLabeled) {
    var configuration = try configuration("")
    configuration.semantics = semantics
    let view = PseudoLabeled(
      height: 1, width: entropy.count, pixels: [Float](repeating: 0, count: 3 * entropy.count),
      labels: entropy.indices.map { UInt8($0 % 4) }, confidence: [Float](repeating: 1, count: entropy.count))
    return (try ReliabilityThresholds(configuration, alpha: alpha, of: entropy, view, ranks: .alone), view)
  }

  /// np.percentile(np.array([0.1, 0.7], np.float32), np.float64(70)) and (…, np.float64(20)), in single precision. And a threshold
  /// that lies above an entropy by less than single precision can tell: the pixel is reliable, but not to the published program.
  func testPercentiles() throws {
    for (alpha, expected) in [(0.3, Float(0.52)), (0.8, Float(0.22))] {
      XCTAssertEqual(
        try thresholds([0.1, 0.7], alpha: alpha, semantics(\.percentiles)).0.global, Double(expected))
    }
    let exact = try XCTUnwrap(try thresholds([0.1, 0.7], alpha: 0.3, semantics()).0.global)
    XCTAssertEqual(exact, 0.5199999921, accuracy: 1e-10)
    let entropy: [Float] = [0.25, 0.5, 0.75], alpha = 0.5 - 1e-9
    for (rows, reliable) in [(semantics(), 2), (semantics(\.percentiles), 1)] {
      let (thresholds, view) = try thresholds(entropy, alpha: alpha, rows)
      XCTAssertEqual(thresholds.apply(to: view, entropy: entropy).reliable, reliable)
    }
  }

  /// The median of five is one of them.
  func testUnreliable() throws {
    let entropy: [Float] = [0.5, 0.125, 0.375, 0.25, 0.625]
    for (rows, expected) in [
      (semantics(), [true, false, false, false, true]), (semantics(\.unreliable), [true, false, true, false, true]),
    ] {
      let (thresholds, view) = try thresholds(entropy, alpha: 0.5, rows)
      let found = thresholds.apply(to: view, entropy: entropy)
      XCTAssertEqual(found.unreliable, expected)
      XCTAssertEqual(found.labels, [255, 1, 255, 3, 255])
    }
  }

  /// α_t = ¼ of five: the second smallest entropy is the 25th percentile, and its pixel is among those up to it.
  func testAnchorLabels() throws {
    let entropy: [Float] = [0.5, 0.125, 0.375, 0.25, 0.625]
    for rows in [semantics(), semantics(\.anchors)] {
      let (thresholds, view) = try thresholds(entropy, alpha: 0.25, rows)
      let reliable = thresholds.apply(to: view, entropy: entropy).labels
      XCTAssertEqual(reliable, [255, 1, 2, 3, 255])
      let anchors = thresholds.anchorLabels(of: view, entropy: entropy, reliable: reliable)
      XCTAssertEqual(anchors, rows.anchors == .published ? [255, 1, 255, 3, 255] : reliable)
    }
  }

  // MARK: Line 8

  /// A labeled and an unlabeled sample of three pixels; at each, class c has rank c: p = 0.64, 0.24, 0.09, 0.03.
  private func candidates(_ rows: Configuration.Semantics) throws -> Candidates {
    let logits = Tensor(count: 2, height: 1, width: 3, channels: 4)
    for i in 0..<24 { logits.data[i] = -Float(i % 4) }
    let maps = Candidates.Maps(
      // The last unlabeled pixel but one is reliable, the others are not.
      labels: [0, 1, 255, 255, 1, 255], unreliable: [false, false, false, true, false, true],
      pseudoLabels: [255, 255, 255, 2, 1, 0], labeledCount: 1)
    let settings = try configuration("u2pl: {low_rank: 1, high_rank: 3, delta_p: 0.3}").u2pl
    return Candidates(logits: logits, maps, settings, rows)
  }

  func testNegatives() throws {
    let exact = try candidates(semantics())
    XCTAssertEqual(exact.negatives, [[[1], [], [], []], [[], [0, 2], [0, 2], []]])
    XCTAssertEqual(try candidates(semantics(\.labeledNegatives)).negatives, [[[], [], [], []], exact.negatives[1]])
    // The first unlabeled pixel is labeled 2, whose rank is 2; the last one 0, whose rank is none of a negative.
    XCTAssertEqual(
      try candidates(semantics(\.unlabeledNegatives)).negatives, [exact.negatives[0], [[], [], [0], []]])
  }

  /// Class 1 is not probable enough for an anchor; its positive is published as the mean over its pixels all the same.
  func testCentersIgnoreTheProbability() throws {
    let exact = try candidates(semantics()), published = try candidates(semantics(\.anchors))
    XCTAssertEqual(exact.anchors, [[[0], [], [], []], [[], [], [], []]])
    XCTAssertEqual(exact.centers, exact.anchors)
    XCTAssertEqual(published.anchors, exact.anchors)
    XCTAssertEqual(published.centers, [[[0], [1], [], []], [[], [1], [], []]])
  }

  func testNewKeys() throws {
    for (rows, count) in [(semantics(), 2), (semantics(\.newKeys), 5)] {
      var configuration = try configuration("u2pl: {enqueue_per_step: 2}")
      configuration.semantics = rows
      let layout = SharedBatch.layout(rank: 0, ranks: 1)
      let candidates = SharedBatch.candidates(
        layout, classes: 4, anchors: { _, _ in [] },
        negatives: { slot, c in slot == 3 && c == 1 ? [0, 2, 3, 4, 7] : [] })
      let z = Tensor(count: SharedBatch.slots, height: 2, width: 4, channels: 2)
      z.fill(1)
      let bank = try MemoryBank(capacities: [9, 9, 9, 9], features: 2)
      try Enqueue(SharedBatch.context(configuration, seed: 1, step: 0, ranks: .alone))(
        candidates, counts: try candidates.globalCounts(layout, ranks: .alone).negatives, representation: z, into: bank)
      XCTAssertEqual(bank.queues.map(\.count), [0, count, 0, 0])
    }
  }

  /// One anchor for each of some classes, and one negative in each queue: every draw is the same.
  private struct Contrast {
    let student: [Int: [Double]]
    var teacher: [Int: [Double]]
    let queue: [[Double]]
    let temperature = 0.5, negatives = 3

    static let standard = Contrast(
      student: [1: [1, 0.25], 3: [-0.5, 1]], teacher: [1: [0.5, 0.75], 3: [-1, 0.25]],
      queue: [[1, 1], [0.25, -1], [-1, -0.5], [0.75, 0.125]])

    func cosine(_ a: [Double], _ b: [Double]) -> Double {
      func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
    }

    /// The loss of the anchor of class `a` with a positive, against the negative of class `c`.
    func term(_ a: Int, _ positive: [Double], _ c: Int) -> Double {
      let up = exp(cosine(student[a]!, positive) / temperature)
      return -log(up / (up + Double(negatives) * exp(cosine(student[a]!, queue[c]) / temperature)))
    }
  }

  private func loss(
    _ c: Contrast, _ rows: Configuration.Semantics, step: Int = 5, positives: AveragedPositives? = nil
  ) throws -> (loss: Double, gradient: Tensor?) {
    var configuration = try configuration(
      "u2pl: {anchors: 4, negatives: \(c.negatives), temperature: \(c.temperature), lambda_c: 1}")
    configuration.semantics = rows
    let layout = SharedBatch.layout(rank: 0, ranks: 1)
    let candidates = SharedBatch.candidates(
      layout, classes: 4, anchors: { slot, k in slot == 2 && c.student[k] != nil ? [Int32(k)] : [] },
      negatives: { _, _ in [] })
    func map(_ vectors: [Int: [Double]]) -> Tensor {
      let map = Tensor(count: SharedBatch.slots, height: 1, width: 4, channels: 2)
      map.fill(1)
      for (k, vector) in vectors { for d in 0..<2 { map.sample(2)[2 * k + d] = Float(vector[d]) } }
      return map
    }
    let bank = try MemoryBank(capacities: [1, 1, 1, 1], features: 2)
    try bank.enqueue(
      MemoryBank.NewKeys(vectors: c.queue.flatMap { $0.map { Float($0) } }, numbers: [[0], [1], [2], [3]]),
      counts: [1, 1, 1, 1])
    return try ContrastiveLoss(SharedBatch.context(configuration, seed: 1, step: step, ranks: .alone))(
      candidates, counts: try candidates.globalCounts(layout, ranks: .alone).anchors, z: map(c.student),
      zTeacher: map(c.teacher), memory: ContrastMemory(bank: bank, positives: positives))
  }

  /// Of classes 1 and 3, class 1 is second: its anchors meet the queue of class 3. Class 0, which is first, has none for the
  /// queue of class 1.
  func testAnchorClass() throws {
    let c = Contrast.standard
    let exact = (c.term(1, c.teacher[1]!, 1) + c.term(3, c.teacher[3]!, 3)) / 4
    XCTAssertEqual(try loss(c, semantics()).loss, exact, accuracy: 1e-6)
    let published = c.term(1, c.teacher[1]!, 3) / 4
    XCTAssertEqual(try loss(c, semantics(\.anchorClass)).loss, published, accuracy: 1e-6)
    XCTAssertGreaterThan(abs(exact - published), 0.1)
  }

  func testContrastMean() throws {
    let c = Contrast.standard
    let (exact, gradient) = try loss(c, semantics())
    let (published, doubled) = try loss(c, semantics(\.contrastMean))
    XCTAssertEqual(published, 2 * exact, accuracy: 1e-6)
    let pairs = try (0..<8).map { i in
      (try XCTUnwrap(gradient).sample(2)[i], try XCTUnwrap(doubled).sample(2)[i])
    }
    for (a, b) in pairs { XCTAssertEqual(2 * a, b, accuracy: 1e-6) }
    XCTAssertTrue(pairs.contains { abs($0.0) > 1e-3 })

    let one = Contrast(student: [1: c.student[1]!], teacher: c.teacher, queue: c.queue)
    XCTAssertGreaterThan(try loss(one, semantics()).loss, 0)
    let (none, noGradient) = try loss(one, semantics(\.contrastMean))
    XCTAssertEqual(none, 0)
    XCTAssertNil(noGradient)
  }

  /// The first positive is the centroid, the one of step 8 is ⅞ of that and ⅛ of the new one; a class without anchors starts anew.
  func testAnchorEMA() throws {
    var c = Contrast.standard
    let averaged = AveragedPositives(classes: 4, features: 2)
    let plain = (c.term(1, c.teacher[1]!, 1) + c.term(3, c.teacher[3]!, 3)) / 4
    XCTAssertEqual(try loss(c, semantics(), step: 7, positives: averaged).loss, plain, accuracy: 1e-6)
    XCTAssertEqual(averaged.values, [[0, 0], [0.5, 0.75], [0, 0], [-1, 0.25]])

    let before = c.teacher
    c.teacher = [1: [-1, 0.5], 3: [0.25, 0.75]]
    let positive = Dictionary(
      uniqueKeysWithValues: [1, 3].map { k in (k, (0..<2).map { before[k]![$0] * 7 / 8 + c.teacher[k]![$0] / 8 }) })
    let expected = (c.term(1, positive[1]!, 1) + c.term(3, positive[3]!, 3)) / 4
    XCTAssertEqual(try loss(c, semantics(), step: 8, positives: averaged).loss, expected, accuracy: 1e-6)
    XCTAssertGreaterThan(abs(try loss(c, semantics(), step: 8).loss - expected), 0.05)

    let one = Contrast(student: [1: c.student[1]!], teacher: c.teacher, queue: c.queue)
    _ = try loss(one, semantics(), step: 9, positives: averaged)
    XCTAssertEqual(averaged.values[3], [0, 0])
    XCTAssertNotEqual(averaged.values[1], [0, 0])
  }

  // MARK: Steps

  private let (size, classes) = (33, 4)

  /// Four epochs of two steps, the first supervised.
  private func trainer(_ rows: Configuration.Semantics) throws -> U2PLTrainer {
    var configuration = try configuration(
      classes: classes,
      """
      batch: {labeled: 2, unlabeled: 2}
      model: {encoder: resnet18, encoder_width: 0.125, width: 8, features: 8, dilations: [1, 2, 3], dropout: 0}
      schedule: {epochs: 4, steps_per_epoch: 2, supervised_epochs: 1}
      """)
    configuration.semantics = rows
    let trainer = try U2PLTrainer(
      configuration, schedule: Schedule(configuration, labeledCount: 8, unlabeledCount: 8), ranks: .alone)
    fillNamed(trainer.student)
    trainer.teacher.parameters.copy(from: trainer.student.parameters)
    return trainer
  }

  /// The lower third of the unlabeled images is padding.
  private func step(_ trainer: U2PLTrainer) throws -> StepReport {
    func examples(_ kind: String, _ labels: [UInt8]?) -> [Example] {
      (0..<2).map { slot in
        Example(
          height: size, width: size, pixels: uniform("\(kind) \(trainer.step) \(slot)", 3 * size * size),
          labels: labels ?? blockLabels("label \(slot)", count: 1, size: size, classes: classes, block: 5))
      }
    }
    let padded = (0..<size * size).map { UInt8($0 < 22 * size ? 0 : 255) }
    return try trainer.step(
      Batch(
        step: trainer.step, labeled: examples("l", nil), unlabeled: examples("u", padded), identifiers: []))
  }

  func testPadding() throws {
    for (rows, pixels) in [(semantics(), 2 * 22 * size), (semantics(\.padding), 2 * size * size)] {
      let trainer = try trainer(rows)
      for _ in 0..<2 { _ = try step(trainer) }
      let report = try step(trainer)
      XCTAssertEqual(report.unlabeledPixels, pixels)
      XCTAssertEqual(Double(report.reliable), 0.85 * Double(pixels), accuracy: 2)
    }
  }

  /// The teacher's first batch norm sees what the student's does; its parameters stay.
  func testSupervisedTeacher() throws {
    for rows in [semantics(), semantics(\.supervisedTeacher)] {
      let trainer = try trainer(rows)
      let (student, teacher) = (trainer.student.parameters, trainer.teacher.parameters)
      let before = (values: Array(teacher.values), buffers: Array(teacher.buffers))
      _ = try step(trainer)
      XCTAssertEqual(Array(teacher.values), before.values)
      let first = teacher.entries.first { $0.name.hasSuffix("running_mean") }!
      let isPublished = rows.supervisedTeacher == .published
      XCTAssertEqual(
        Array(teacher.storage(first)), isPublished ? Array(student.storage(first)) : Array(before.buffers[first.range]))
      XCTAssertEqual(teacher.counters.allSatisfy { $0 == 1 }, isPublished)
    }
  }

  /// Steps 2 and 3 are the first semi-supervised epoch: after each the teacher has the student's parameters, but its own
  /// statistics. From step 4 on it averages.
  func testTeacherCopy() throws {
    let trainer = try self.trainer(semantics(\.teacherCopy)), exact = try self.trainer(semantics())
    for _ in 0..<2 {
      _ = try step(trainer)
      _ = try step(exact)
    }
    let atStart = Array(trainer.teacher.parameters.buffers)
    for k in 2..<5 {
      _ = try step(trainer)
      _ = try step(exact)
      let (student, teacher) = (trainer.student.parameters, trainer.teacher.parameters)
      XCTAssertEqual(Array(teacher.values) == Array(student.values), k < 4, "step \(k)")
      // With the equations the first factor is 0, the second ½.
      XCTAssertEqual(
        Array(exact.teacher.parameters.values) == Array(exact.student.parameters.values), k == 2, "step \(k)")
    }
    // Three passes over both kinds of images, each moving the statistics by a tenth, from where they were before pseudo-labels:
    // with the equations from where the student's were.
    XCTAssertNotEqual(Array(trainer.teacher.parameters.buffers), atStart)
    XCTAssertEqual(Set(trainer.teacher.parameters.counters), [3])
    XCTAssertEqual(Set(exact.teacher.parameters.counters).max(), 5)
  }
}
