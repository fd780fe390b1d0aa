/// Line 8 of docs/method.md with `semantics.anchor_ema`: the positive of each class, averaged over steps.
package final class AveragedPositives {
  /// Of each class, D numbers; 0 for a class that had no anchors in the last step that had any.
  package var values: [[Float]]

  package init(classes: Int, features: Int) {
    values = [[Float]](repeating: [Float](repeating: 0, count: features), count: classes)
  }

  /// - Parameter flat: C × D numbers.
  package func set(_ flat: [Float]) {
    let features = values[0].count
    for c in values.indices { values[c] = Array(flat[c * features..<(c + 1) * features]) }
  }

  /// The positives of step k, which the next step averages with.
  ///
  /// - Parameter centroids: of this step, by the class whose bank they meet.
  func average(_ centroids: [Int: [Float]], step k: Int) -> [Int: [Float]] {
    var positives = centroids
    if values.contains(where: { $0.contains { $0 != 0 } }) {
      // Something has been averaged before, so that k is at least 1.
      let a = Float(min(1 - 1 / Double(k), 0.999))
      for (c, centroid) in centroids {
        positives[c] = zip(values[c], centroid).map { a * $0 + (1 - a) * $1 }
      }
    }
    for c in values.indices { values[c] = positives[c] ?? values[c].map { _ in 0 } }
    return positives
  }
}
