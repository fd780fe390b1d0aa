import Compute
import Foundation
import Network

/// Line 8 of docs/method.md: anchors, centroids and sampled negatives, L_c and its gradient.
///
/// L_c = 1/(C·M) Σ_c Σ_i −log( e^{⟨z_i,z_c⁺⟩/τ} / (e^{⟨z_i,z_c⁺⟩/τ} + Σ_j e^{⟨z_i,z_ij⁻⟩/τ}) ) with cosine similarity
/// (the paper's InfoNCE loss; N, M and τ are `negatives`, `anchors` and `temperature`).
package struct ContrastiveLoss {
  private let context: StepContext

  package init(_ context: StepContext) { self.context = context }

  /// Anchors and positive of one class, and the class whose queue they meet: the same, unless `semantics.anchor_class` is
  /// published.
  private struct Term {
    let anchors: Int
    let queue: Int
  }

  /// One draw of an anchor that this rank holds.
  private struct Anchor {
    let sample: Int
    let pixel: Int
    let index: Int
    /// Number of its term.
    let term: Int
  }

  /// Collective.
  ///
  /// - Parameters:
  ///   - counts: of anchors, [global slot][class].
  ///   - z: the student's representation, N × h × w × D.
  ///   - zTeacher: the teacher's.
  /// - Returns: L_c, and the gradient of λ_c L_c with respect to z, nil where no class has both anchors and negatives.
  package func callAsFunction(
    _ candidates: Candidates, counts: [[Int]], z: Tensor, zTeacher: Tensor, memory: ContrastMemory
  ) throws -> (loss: Double, gradient: Tensor?) {
    let settings = context.configuration.u2pl, bank = memory.bank
    let classes = bank.capacities.count
    let totals = (0..<classes).map { c in counts.reduce(0) { $0 + $1[c] } }
    let centers = try centerCounts(candidates, anchors: totals)
    let present = centers.indices.filter { centers[$0] > 0 }
    let terms = terms(present: present).filter { totals[$0.anchors] > 0 && bank.queues[$0.queue].count > 0 }
    let mean = context.semantics.contrastMean
    guard !terms.isEmpty, mean == .equations || present.count > 1 else { return (0, nil) }
    let share = mean == .published ? present.count : classes

    let positives = positives(of: terms, try centroids(candidates, centers, zTeacher), memory)
    let anchors = drawAnchors(candidates, counts, totals, terms)
    let features = z.channels
    let gradients = Buffer(count: max(1, anchors.count * features))
    var losses = [Double](repeating: 0, count: terms.count * settings.anchors)
    let weight = settings.lambdaC * context.trust / Double(share * settings.anchors)
    losses.withUnsafeMutableBufferPointer { losses in
      let losses = losses.baseAddress!
      parallelFor(anchors.count) { i in
        let anchor = anchors[i]
        losses[anchor.term * settings.anchors + anchor.index] = anchorLoss(
          z.sample(anchor.sample) + anchor.pixel * features, positives[anchor.term],
          Negatives(bank: bank, classNumber: terms[anchor.term].queue, anchor: anchor.index), weight: Float(weight),
          gradient: gradients.data + i * features)
      }
    }
    // Each anchor's loss comes from one rank and the others give 0, so the sum over ranks is exact.
    try context.ranks.orderedSum(&losses)
    let gradient = Tensor(like: z)
    gradient.fill(0)
    // An anchor may be drawn several times; in the order of the draws.
    for (i, anchor) in anchors.enumerated() {
      let to = gradient.sample(anchor.sample) + anchor.pixel * features
      let from = gradients.data + i * features
      for k in 0..<features { to[k] += from[k] }
    }
    return (losses.reduce(0, +) / Double(share * settings.anchors), gradient)
  }

  /// - Parameter present: classes that have anchors, or pixels that their positive is the mean over.
  private func terms(present: [Int]) -> [Term] {
    context.semantics.anchorClass == .published
      ? present.enumerated().map { Term(anchors: $0, queue: $1) } : present.map { Term(anchors: $0, queue: $0) }
  }

  /// How many pixels each class's positive is the mean over, over the global batch. Collective.
  private func centerCounts(_ candidates: Candidates, anchors: [Int]) throws -> [Int] {
    guard context.semantics.anchors == .published else { return anchors }
    let own = anchors.indices.map { c in candidates.centers.reduce(Int64(0)) { $0 + Int64($1[c].count) } }
    return try context.ranks.sum(own).map(Int.init)
  }

  /// z⁺ of each term.
  private func positives(of terms: [Term], _ centroids: [[Float]], _ memory: ContrastMemory) -> [[Float]] {
    guard let averaged = memory.positives else { return terms.map { centroids[$0.anchors] } }
    let ofQueue = Dictionary(uniqueKeysWithValues: terms.map { ($0.queue, centroids[$0.anchors]) })
    let positives = averaged.average(ofQueue, step: context.step)
    return terms.map { positives[$0.queue]! }
  }

  /// z_c⁺ of the step: the mean of the teacher's vectors over the anchors of each class, along the slot tree.
  private func centroids(_ candidates: Candidates, _ totals: [Int], _ zTeacher: Tensor) throws -> [[Float]] {
    let features = zTeacher.channels
    var sums = context.layout.tree.reduce { slot in
      var sums = [Double](repeating: 0, count: totals.count * features)
      sums.withUnsafeMutableBufferPointer { sums in
        for (c, pixels) in candidates.centers[slot].enumerated() {
          let to = sums.baseAddress! + c * features
          for pixel in pixels {
            let from = zTeacher.sample(slot) + Int(pixel) * features
            for k in 0..<features { to[k] += Double(from[k]) }
          }
        }
      }
      return sums
    } combine: { left, right in
      zip(left, right).map(+)
    }!
    try context.ranks.orderedSum(&sums)
    return totals.indices.map { c in
      (0..<features).map { Float(sums[c * features + $0] / Double(max(totals[c], 1))) }
    }
  }

  /// The same M draws a class on every rank; each keeps those that fall on its samples.
  private func drawAnchors(
    _ candidates: Candidates, _ counts: [[Int]], _ totals: [Int], _ terms: [Term]
  ) -> [Anchor] {
    let draws = context.configuration.u2pl.anchors
    var sampleOfSlot = [Int?](repeating: nil, count: counts.count)
    for (sample, slot) in context.layout.globalSlots.enumerated() { sampleOfSlot[slot] = sample }
    var anchors: [Anchor] = []
    for (number, term) in terms.enumerated() {
      let c = term.anchors
      var first = [0]
      for slot in counts { first.append(first.last! + slot[c]) }
      for i in 0..<draws {
        let position = context.philox.index(
          below: totals[c], index: UInt32(i), item: UInt32(c), step: UInt32(context.step), stream: .anchors)
        let slot = lowerBound(first, position + 1) - 1
        guard let sample = sampleOfSlot[slot] else { continue }
        let pixel = candidates.anchors[sample][c][position - first[slot]]
        anchors.append(Anchor(sample: sample, pixel: Int(pixel), index: i, term: number))
      }
    }
    return anchors
  }

  /// The negatives that one anchor draws.
  private struct Negatives {
    let bank: MemoryBank
    let classNumber: Int
    /// Number of the anchor's draw.
    let anchor: Int
  }

  /// The term of one anchor, and its gradient times `weight`. One N × D block, whatever share of the anchors is here.
  private func anchorLoss(
    _ z: UnsafePointer<Float>, _ centroid: [Float], _ negatives: Negatives, weight: Float,
    gradient: UnsafeMutablePointer<Float>
  ) -> Double {
    let settings = context.configuration.u2pl
    let bank = negatives.bank
    let n = settings.negatives, d = bank.features
    let inverseTemperature = Float(1 / settings.temperature)
    let queue = bank.queues[negatives.classNumber]
    return withScratch(of: Float.self, count: (n + 1) * (d + 3)) { block in
      // Row 0 is the centroid, rows 1…N the negatives.
      let cosines = block + (n + 1) * d
      let inverseNorms = cosines + (n + 1), weights = inverseNorms + (n + 1)
      centroid.withUnsafeBufferPointer { block.update(from: $0.baseAddress!, count: d) }
      inverseNorms[0] = 1 / norm(block, d)
      for j in 0..<n {
        let entry = context.philox.index(
          below: queue.count, index: UInt32(negatives.anchor * n + j), item: UInt32(negatives.classNumber),
          step: UInt32(context.step), stream: .negatives)
        let cell = queue[entry]
        (block + (j + 1) * d).update(from: bank.vector(cell: cell), count: d)
        inverseNorms[j + 1] = 1 / bank.norms[cell]
      }
      let inverseNorm = 1 / norm(z, d)
      BLAS.multiply(block, rows: n + 1, columns: d, z, into: cosines)
      var greatest = -Float.infinity
      for j in 0...n {
        cosines[j] *= inverseNorms[j] * inverseNorm
        greatest = max(greatest, cosines[j])
      }
      var sum: Float = 0
      for j in 0...n {
        weights[j] = fastExp((cosines[j] - greatest) * inverseTemperature)
        sum += weights[j]
      }
      let loss = Double(log(sum) - (cosines[0] - greatest) * inverseTemperature)

      // d cos_j / dz = (v_j/|v_j| − cos_j · z/|z|) / |z|; d loss / d cos_j = (softmax_j − [j = 0]) / τ.
      var along: Float = 0
      for j in 0...n {
        let slope = (weights[j] / sum - (j == 0 ? 1 : 0)) * inverseTemperature * weight
        along += slope * cosines[j]
        weights[j] = slope * inverseNorms[j]
      }
      BLAS.multiplyTransposed(block, rows: n + 1, columns: d, weights, into: gradient)
      for k in 0..<d { gradient[k] = (gradient[k] - along * z[k] * inverseNorm) * inverseNorm }
      return loss
    }
  }
}

/// Euclidean norm, clamped below at 1e-8.
private func norm(_ v: UnsafePointer<Float>, _ count: Int) -> Float {
  var squares = 0.0
  for k in 0..<count { squares += Double(v[k]) * Double(v[k]) }
  return max(Float(squares.squareRoot()), 1e-8)
}
