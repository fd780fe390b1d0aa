import Configuration
import Dataset
import Distributed
import Foundation
import Network
import Transforms

/// Evaluation of a network on a list: one global confusion matrix, each image once whatever the rank count.
public struct Evaluator {
  let ranks: Communicator
  public let inference: Inference
  private let data: Configuration.Data
  private let crop: Configuration.Size?
  private let decodesFirst: Bool

  public init(_ configuration: Configuration, ranks: Communicator) {
    self.ranks = ranks
    inference = Inference(configuration)
    data = configuration.data
    decodesFirst = configuration.data.verify
    crop = configuration.evaluate.mode == .centerCrop ? configuration.augment.crop : nil
  }

  /// Looks the list over, shared out over the ranks: finds damaged files before the first image is evaluated. With
  /// `data.verify` each image is decoded for that. Collective.
  ///
  /// - Returns: what a user should know of.
  /// - Throws: ``CollectiveFailure`` on every rank, naming list, line and file, or where no mask has a pixel to evaluate on.
  public func check(_ set: any ImageSet) throws -> ImageReview {
    let review = try ImageReview.of(set, classes: data.classes, decodes: decodesFirst, ranks: ranks)
    try ranks.together {
      if let problem = review.masks[0].problem("validation", data) { throw DatasetError(description: problem) }
    }
    return review
  }

  /// Collective; rank r takes images r, r + size, …
  ///
  /// - Parameters:
  ///   - each: given the matrix, the mask and the prediction of each image of this rank.
  ///   - progress: called on every rank after each of its images, with how many it has done.
  /// - Throws: what reading an image throws, on the rank that reads it.
  public func evaluate(
    _ network: Segmenter, on set: any ImageSet,
    each: (_ image: Int, ConfusionMatrix, _ labels: LabelMap, _ prediction: [UInt8]) -> Void = { _, _, _, _ in },
    progress: (Int) -> Void = { _ in }
  ) throws -> ConfusionMatrix {
    try evaluate(network, on: set, unless: nil, each: each, progress: progress)!
  }

  /// The same, but ended on all ranks once `isAsked` is true on any. Collective.
  ///
  /// - Parameters:
  ///   - isAsked: looked at every few seconds, on all ranks after as many images.
  ///   - worst: given every image of this rank.
  /// - Returns: nil on every rank when it was true on any.
  func evaluate(
    _ network: Segmenter, on set: any ImageSet, unless isAsked: (() -> Bool)?, keeping worst: WorstImages? = nil,
    each: (_ image: Int, ConfusionMatrix, _ labels: LabelMap, _ prediction: [UInt8]) -> Void = { _, _, _, _ in },
    progress: (Int) -> Void
  ) throws -> ConfusionMatrix? {
    let classes = data.classes
    var matrix = ConfusionMatrix(classes: classes)
    var lastLook = (done: 0, time: ProcessInfo.processInfo.systemUptime)
    var nextLook = 1
    // Every rank counts as many rounds, of which the last may have no image for it.
    for (done, first) in stride(from: 0, to: set.count, by: ranks.size).enumerated() {
      if first + ranks.rank < set.count {
        let (image, labels, inference) = try example(set, first + ranks.rank)
        var own = ConfusionMatrix(classes: classes)
        let (prediction, logits) = try inference.classesAndLogits(network, image)
        own.add(truth: labels.values, prediction: prediction)
        worst?.offer(own, image: first + ranks.rank, size: image, logits: logits)
        each(first + ranks.rank, own, labels, prediction)
        matrix.add(own)
        progress(done + 1)
      }
      guard let isAsked, done + 1 == nextLook else { continue }
      let now = ProcessInfo.processInfo.systemUptime
      let answer = try ranks.maximum([isAsked() ? 1 : 0, Int64((now - lastLook.time) * 1e6)])
      if answer[0] > 0 { return nil }
      // The slowest rank's, so that all look after the same image again.
      let seconds = max(Double(answer[1]) * 1e-6, 1e-3) / Double(done + 1 - lastLook.done)
      lastLook = (done + 1, now)
      nextLook += max(1, Int(Evaluator.secondsBetweenLooks / seconds))
    }
    return ConfusionMatrix(classes: classes, counts: try ranks.sum(matrix.counts))
  }

  /// Seldom enough for ranks not to wait for each other's images.
  private static let secondsBetweenLooks = 2.0

  /// An image of a list and its mask, as they are evaluated, and how the network is applied to it: where images have statistics
  /// of their own, with those of the whole image, as in training.
  func example(
    _ set: any ImageSet, _ index: Int
  ) throws -> (image: Raster, labels: LabelMap, inference: Inference) {
    let (image, labels) = try set.labeledImage(index)
    guard let crop else { return (image, labels, inference) }
    return (image.centered(crop), labels.centered(crop), inference.normalizing(as: image))
  }
}

extension Raster {
  /// The middle of the image, smaller where the image is.
  func centered(_ size: Configuration.Size) -> Raster {
    let middle = Middle(of: size, height: height, width: width)
    return part(rows: middle.rows, columns: middle.columns)
  }
}

extension LabelMap {
  /// The middle of the mask, smaller where the mask is.
  fileprivate func centered(_ size: Configuration.Size) -> LabelMap {
    let part = Middle(of: size, height: height, width: width)
    return LabelMap(height: part.rows.count, width: part.columns.count, values: part.values(of: values))
  }
}

private struct Middle {
  let rows: Range<Int>
  let columns: Range<Int>
  private let width: Int

  init(of size: Configuration.Size, height: Int, width: Int) {
    self.width = width
    let (rows, columns) = (min(size.height, height), min(size.width, width))
    let (top, left) = ((height - rows) / 2, (width - columns) / 2)
    (self.rows, self.columns) = (top..<top + rows, left..<left + columns)
  }

  func values(of all: [UInt8]) -> [UInt8] {
    rows.flatMap { y in all[y * width + columns.lowerBound..<y * width + columns.upperBound] }
  }
}
