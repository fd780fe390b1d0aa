import Configuration
import Dataset
import Distributed
import Transforms

/// Searches all labeled images for masks that a network contradicts, in two passes: the first measures how sure the
/// network is of each class, the second finds what it contradicts with confidence.
package struct LabelReviewer {
  private let predictor: ImagePredictor
  private let classes: Int
  private let shownRange: PixelRange?
  private let admit: (Raster, _ path: String) throws -> Void

  /// - Parameter admit: throws a ``DatasetError`` for an image that is too large.
  package init(
    _ predictor: ImagePredictor, _ configuration: Configuration,
    admit: @escaping (Raster, _ path: String) throws -> Void = { _, _ in }
  ) {
    (self.predictor, self.admit) = (predictor, admit)
    classes = configuration.data.classes
    shownRange = configuration.data.shownRange
  }

  /// Collective; rank r takes images r, r + size, …
  ///
  /// - Parameters:
  ///   - failed: called with the error of an image that could not be read, once for each; such images are left out.
  ///   - progress: called after each image of this rank, with how many of both passes it has done.
  /// - Returns: the review on every rank, and how many images could not be read on all ranks.
  package func review(
    _ set: any ImageSet, ranks: Communicator, failed: (DatasetError) -> Void, progress: (Int) -> Void
  ) throws -> (review: LabelReview, failures: Int) {
    var confidence = ClassConfidence(classes: classes)
    var shifts: [Int: (MaskShift, MaskExchange)] = [:]
    var failures = 0, done = 0
    for index in stride(from: ranks.rank, to: set.count, by: ranks.size) {
      do {
        let (image, labels) = try set.namingOrigin(of: index) { try set.labeledImage(index) }
        try admit(image, set.source(index).image)
        let prediction = try predictor.predict(image, representation: false)
        confidence.add(prediction, labels)
        shifts[index] = (MaskShift.best(prediction, labels), MaskExchange.best(prediction, labels))
      } catch let error as DatasetError {
        failures += 1
        failed(error)
      }
      done += 1
      progress(done)
    }
    try confidence.share(over: ranks)
    let thresholds = confidence.thresholds
    var packed: [Double] = []
    for index in stride(from: ranks.rank, to: set.count, by: ranks.size) {
      if let (shift, exchange) = shifts[index] {
        let (image, labels) = try set.labeledImage(index)
        let seen = ClassConfidence.seen(try predictor.predict(image, representation: false), thresholds)
        let margin = Contradictions.margin(height: labels.height, width: labels.width)
        let contradictions = Contradictions(labels, seen: seen, classes: classes, margin: margin)
        packed +=
          LabelEvidence(image: index, shift: shift, exchange: exchange, contradictions: contradictions).packed
      }
      done += 1
      progress(done)
    }
    var rest = try ranks.allGather(packed).elements[...]
    var evidence: [LabelEvidence] = []
    while !rest.isEmpty { evidence.append(LabelEvidence(unpacking: &rest, classes: classes)) }
    evidence.sort { $0.image < $1.image }
    return (LabelReview(evidence, classes: classes), Int(try ranks.sum([Int64(failures)])[0]))
  }

  /// The image of a finding, on which every labeled pixel is marked where the network's class is not the mask's: in the
  /// colour of the network's class, or in stripes where that colour is black.
  package func overlay(_ set: any ImageSet, _ finding: LabelFinding, colors: [[UInt8]]) throws -> OverlayPicture {
    let (image, labels) = try set.labeledImage(finding.image)
    let prediction = try predictor.predict(image, representation: false)
    var picture = OverlayPicture(image, shownRange)
    for (p, label) in labels.values.enumerated() where label != LabelMap.ignore && prediction.classes[p] != label {
      let color = colors[Int(prediction.classes[p])]
      if color == [0, 0, 0] { picture.stripe(at: p) } else { picture.mix(color, at: p) }
    }
    return picture
  }
}
