import Compute
import Distributed
import Network

/// Line 8 of docs/method.md: which pixels of the h × w maps may be anchors of which class, and which are negatives.
package struct Candidates {
  /// For each local sample and class, pixels in row-major order.
  package var anchors: [[[Int32]]]
  package var negatives: [[[Int32]]]

  /// - Parameters:
  ///   - logits: the teacher's, N × h × w × C, labeled samples first.
  ///   - labels: ground truth or ŷ at h × w, 255 = ignore.
  ///   - unreliable: H > γ_t at h × w; false on labeled samples.
  package init(
    logits: Tensor, labels: [UInt8], unreliable: [Bool], labeledCount: Int, deltaP: Float, lowRank: Int, highRank: Int
  ) {
    let (classes, pixels, samples) = (logits.channels, logits.pixels, logits.count)
    let empty = [[Int32]](repeating: [], count: classes)
    var anchors = [[[Int32]]](repeating: empty, count: samples)
    var negatives = anchors
    anchors.withUnsafeMutableBufferPointer { anchors in
      negatives.withUnsafeMutableBufferPointer { negatives in
        nonisolated(unsafe) let anchors = anchors, negatives = negatives
        parallelFor(samples) { sample in
          var anchorLists = empty, negativeLists = empty
          let isLabeled = sample < labeledCount
          withUnsafeTemporaryAllocation(of: Float.self, capacity: classes) { exps in
            for p in 0..<pixels {
              let index = sample * pixels + p
              let label = labels[index]
              if isLabeled ? label == ignoreLabel : label == ignoreLabel && !unreliable[index] { continue }
              let z = UnsafePointer(logits.sample(sample) + p * classes)
              if label != ignoreLabel {
                if probability(of: Int(label), z, classes, exps.baseAddress!) > deltaP {
                  anchorLists[Int(label)].append(Int32(p))
                }
              }
              if isLabeled {
                for c in 0..<classes where c != Int(label) && rank(of: c, z, classes) < lowRank {
                  negativeLists[c].append(Int32(p))
                }
              } else if unreliable[index] {
                for c in 0..<classes {
                  let rank = rank(of: c, z, classes)
                  if rank >= lowRank && rank < highRank { negativeLists[c].append(Int32(p)) }
                }
              }
            }
          }
          anchors[sample] = anchorLists
          negatives[sample] = negativeLists
        }
      }
    }
    self.anchors = anchors
    self.negatives = negatives
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
