import Foundation
import Trainer

/// How much each class needs labels, 0 to 1.
package struct ClassNeed: Sendable {
  package let values: [Double]
  /// IoU of each class on the validation images, nil for a class that they do not show; nil where there was no
  /// evaluation.
  package let intersectionOverUnion: [Double?]?
  /// The class that each is most often taken for; nil where that is not known.
  package let takenFor: [Int?]

  /// - Parameters:
  ///   - matrix: of the network's last evaluation, rows are true classes; nil where there was none.
  ///   - images: candidates. They tell the need of a class without an IoU: the mean doubt of the pixels that are given
  ///     the class, and 1 where no pixel is.
  package init(_ matrix: ConfusionMatrix?, _ images: [ImageSummary], classes: Int) {
    let iou = matrix?.intersectionOverUnion, truth = matrix?.truthCounts
    intersectionOverUnion = iou.map { iou in (0..<classes).map { truth![$0] > 0 ? iou[$0] : nil } }
    values = (0..<classes).map { c in
      if let iou = iou?[c], truth![c] > 0 { return 1 - iou }
      let found = images.reduce(0) { $0 + Double($1.predicted[c]) }
      let doubt = images.reduce(0) { $0 + Double($1.doubt[c]) }
      return found > 0 ? min(1, doubt / found) : 1
    }
    takenFor = (0..<classes).map { c in
      guard let matrix else { return nil }
      let others = (0..<classes).filter { $0 != c && matrix.counts[c * classes + $0] > 0 }
      return others.max { matrix.counts[c * classes + $0] < matrix.counts[c * classes + $1] }
    }
  }
}
