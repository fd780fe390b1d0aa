import Transforms

/// Two classes of a mask that seem to be exchanged.
package struct MaskExchange: Sendable, Equatable {
  /// The classes of the mask, the lower first; 0 and 0 for none.
  package var first = 0
  package var second = 0
  /// The rise in the mean probability of the labels, over the labeled pixels, if the two are exchanged: 0 to 1.
  package var gain = 0.0

  /// The exchange that makes the labels most probable, none where it gains nothing.
  ///
  /// Networks often take one class for another. They rarely take each of two for the other unless the mask has them
  /// exchanged: pixels that the network sees as the mask says count against an exchange.
  package static func best(_ prediction: ImagePrediction, _ labels: LabelMap) -> MaskExchange {
    let classes = prediction.classCount, pixels = prediction.pixels
    // By class of the mask, the sum of the probabilities of each class.
    var sums = [Double](repeating: 0, count: classes * classes)
    var counts = [Int](repeating: 0, count: classes)
    for label in labels.values where label != LabelMap.ignore { counts[Int(label)] += 1 }
    prediction.probabilities.withUnsafeBufferPointer { probabilities in
      labels.values.withUnsafeBufferPointer { values in
        for c in 0..<classes {
          for p in 0..<pixels where values[p] != LabelMap.ignore {
            sums[Int(values[p]) * classes + c] += Double(probabilities[c * pixels + p])
          }
        }
      }
    }
    let labeled = counts.reduce(0, +)
    let shown = counts.indices.filter { counts[$0] > 0 }
    var best = MaskExchange()
    for (place, a) in shown.enumerated() {
      for b in shown.dropFirst(place + 1) {
        let gain = sums[a * classes + b] - sums[a * classes + a] + sums[b * classes + a] - sums[b * classes + b]
        if gain / Double(labeled) > best.gain { best = MaskExchange(first: a, second: b, gain: gain / Double(labeled)) }
      }
    }
    return best
  }
}
