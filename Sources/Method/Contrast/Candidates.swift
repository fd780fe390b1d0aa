import Compute
import Configuration
import Distributed
import Network

/// Line 8 of docs/method.md: which pixels of the h × w maps may be anchors of which class, and which are negatives.
package struct Candidates {
  /// For each local sample and class, pixels in row-major order.
  package var anchors: [[[Int32]]]
  package var negatives: [[[Int32]]]
  /// Pixels that a class's positive is the mean over: its anchors, unless `semantics.anchors` is published.
  package var centers: [[[Int32]]]

  /// What is known of each pixel at h × w, labeled samples first.
  package struct Maps {
    /// y, then the ŷ that unlabeled pixels may be anchors of; 255 = ignore.
    package var labels: [UInt8]
    /// H > γ_t; false on labeled samples.
    package var unreliable: [Bool]
    /// ŷ before line 6 took any away. Read on unlabeled samples, where `semantics.unlabeled_negatives` is published.
    package var pseudoLabels: [UInt8]
    package var labeledCount: Int

    package init(labels: [UInt8], unreliable: [Bool], pseudoLabels: [UInt8] = [], labeledCount: Int) {
      (self.labels, self.unreliable) = (labels, unreliable)
      (self.pseudoLabels, self.labeledCount) = (pseudoLabels, labeledCount)
    }
  }

  /// - Parameter logits: the teacher's, N × h × w × C, labeled samples first.
  package init(
    logits: Tensor, _ maps: Maps, _ settings: Configuration.U2PL, _ semantics: Configuration.Semantics = .init()
  ) {
    let (classes, pixels, samples) = (logits.channels, logits.pixels, logits.count)
    let (lowRank, highRank, deltaP) = (settings.lowRank, settings.highRank, Float(settings.deltaP))
    let ofOwnClass = semantics.unlabeledNegatives == .published
    let centersAreApart = semantics.anchors == .published
    let empty = [[Int32]](repeating: [], count: classes)
    var anchors = [[[Int32]]](repeating: empty, count: samples)
    var negatives = anchors, centers = anchors
    anchors.withUnsafeMutableBufferPointer { anchors in
      negatives.withUnsafeMutableBufferPointer { negatives in
        centers.withUnsafeMutableBufferPointer { centers in
          nonisolated(unsafe) let anchors = anchors, negatives = negatives, centers = centers
          parallelFor(samples) { sample in
            var anchorLists = empty, negativeLists = empty, centerLists = empty
            let isLabeled = sample < maps.labeledCount
            withUnsafeTemporaryAllocation(of: Float.self, capacity: classes) { exps in
              for p in 0..<pixels {
                let index = sample * pixels + p
                let label = maps.labels[index]
                if label == ignoreLabel && (isLabeled || !maps.unreliable[index]) { continue }
                let z = UnsafePointer(logits.sample(sample) + p * classes)
                if label != ignoreLabel {
                  if centersAreApart { centerLists[Int(label)].append(Int32(p)) }
                  if probability(of: Int(label), z, classes, exps.baseAddress!) > deltaP {
                    anchorLists[Int(label)].append(Int32(p))
                  }
                }
                if isLabeled {
                  guard semantics.labeledNegatives == .equations else { continue }
                  for c in 0..<classes where c != Int(label) && rank(of: c, z, classes) < lowRank {
                    negativeLists[c].append(Int32(p))
                  }
                } else if maps.unreliable[index] {
                  for c in 0..<classes where !ofOwnClass || c == Int(maps.pseudoLabels[index]) {
                    let rank = rank(of: c, z, classes)
                    if rank >= lowRank && rank < highRank { negativeLists[c].append(Int32(p)) }
                  }
                }
              }
            }
            anchors[sample] = anchorLists
            negatives[sample] = negativeLists
            centers[sample] = centersAreApart ? centerLists : anchorLists
          }
        }
      }
    }
    self.anchors = anchors
    self.negatives = negatives
    self.centers = centers
  }

  /// How many candidates each global slot has of each class: [slot][class], known to every rank.
  package func globalCounts(_ layout: BatchLayout, ranks: Communicator) throws -> (anchors: [[Int]], negatives: [[Int]])
  {
    let classes = anchors.first?.count ?? 0
    let slots = layout.labeled + layout.unlabeled
    var table = [Int64](repeating: 0, count: 2 * slots * classes)
    for (sample, slot) in layout.globalSlots.enumerated() {
      for c in 0..<classes {
        table[(slot * classes + c) * 2] = Int64(anchors[sample][c].count)
        table[(slot * classes + c) * 2 + 1] = Int64(negatives[sample][c].count)
      }
    }
    table = try ranks.sum(table)
    func part(_ which: Int) -> [[Int]] {
      (0..<slots).map { slot in (0..<classes).map { Int(table[(slot * classes + $0) * 2 + which]) } }
    }
    return (part(0), part(1))
  }
}

/// softmax(z)_c.
private func probability(
  of c: Int, _ z: UnsafePointer<Float>, _ classes: Int, _ exps: UnsafeMutablePointer<Float>
) -> Float {
  var greatest = z[0]
  for k in 1..<classes where z[k] > greatest { greatest = z[k] }
  var sum: Float = 0
  for k in 0..<classes {
    exps[k] = fastExp(z[k] - greatest)
    sum += exps[k]
  }
  return exps[c] / sum
}

/// O(c): how many classes are more probable, ties to the lower class. Taken on logits, which order as probabilities
/// do and do not underflow.
private func rank(of c: Int, _ z: UnsafePointer<Float>, _ classes: Int) -> Int {
  var rank = 0
  for k in 0..<classes where z[k] > z[c] || z[k] == z[c] && k < c { rank += 1 }
  return rank
}
