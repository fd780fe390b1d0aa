import Distributed
import Transforms

/// How sure the network is of each class: the mean probability of the class over the pixels that masks label with it.
///
/// The network sees a class in a pixel with confidence if the probability of the class there is at least this mean, as
/// in confident learning (Northcutt et al. 2021). A class that the network is never sure of has a low threshold.
package struct ClassConfidence: Sendable {
  private var sums: [Int64]
  private var pixels: [Int64]
  /// Probabilities are added up as whole numbers of 2⁻³⁰, so that the sum does not depend on the order.
  private static let scale = Double(1 << 30)

  package init(classes: Int) {
    sums = [Int64](repeating: 0, count: classes)
    pixels = sums
  }

  package mutating func add(_ prediction: ImagePrediction, _ labels: LabelMap) {
    for (p, label) in labels.values.enumerated() where label != LabelMap.ignore {
      let value = prediction.probabilities[Int(label) * prediction.pixels + p]
      sums[Int(label)] += Int64(Double(value) * Self.scale)
      pixels[Int(label)] += 1
    }
  }

  /// Adds up what all ranks have. Collective.
  package mutating func share(over ranks: Communicator) throws {
    sums = try ranks.sum(sums)
    pixels = try ranks.sum(pixels)
  }

  /// The threshold of each class; above 1 for a class that no mask shows, so that no pixel reaches it.
  package var thresholds: [Float] {
    zip(sums, pixels).map { $1 > 0 ? Float(Double($0) / Double($1) / Self.scale) : 2 }
  }

  /// At each pixel the most probable of the classes that are seen with confidence; ``LabelMap/ignore`` where there is
  /// none.
  package static func seen(_ prediction: ImagePrediction, _ thresholds: [Float]) -> [UInt8] {
    var seen = [UInt8](repeating: LabelMap.ignore, count: prediction.pixels)
    var greatest = [Float](repeating: 0, count: prediction.pixels)
    for c in 0..<prediction.classCount {
      let plane = c * prediction.pixels
      for p in seen.indices {
        let value = prediction.probabilities[plane + p]
        if value >= thresholds[c], value > greatest[p] { (seen[p], greatest[p]) = (UInt8(c), value) }
      }
    }
    return seen
  }
}
