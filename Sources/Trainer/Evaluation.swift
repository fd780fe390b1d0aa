import Configuration
import Dataset
import Distributed
import Network

/// Evaluation of a network on a list: one global confusion matrix, each image once whatever the rank count.
public struct Evaluator {
  let ranks: Communicator
  public let inference: Inference
  private let classes: Int
  private let crop: Configuration.Size?

  public init(_ configuration: Configuration, ranks: Communicator) {
    self.ranks = ranks
    inference = Inference(configuration)
    classes = configuration.data.classes
    crop = configuration.evaluate.mode == .centerCrop ? configuration.augment.crop : nil
  }

  /// Looks the list over, shared out over the ranks: finds most damaged files before the first image is evaluated.
  /// Collective.
  ///
  /// - Throws: ``CollectiveFailure`` on every rank, naming the file.
  public func check(_ set: any ImageSet) throws {
    try ranks.together { try set.checkShare(of: ranks) }
  }

  /// Collective; rank r takes images r, r + size, …
  ///
  /// - Parameter progress: called on every rank after each of its images, with how many it has done.
  /// - Throws: what reading an image throws, on the rank that reads it.
  public func evaluate(
    _ network: Segmenter, on set: any ImageSet, progress: (Int) -> Void = { _ in }
  ) throws -> ConfusionMatrix {
    var matrix = ConfusionMatrix(classes: classes)
    for (done, index) in stride(from: ranks.rank, to: set.count, by: ranks.size).enumerated() {
      var (image, labels) = try set.labeledImage(index)
      if let crop { (image, labels) = centered(image, labels, crop) }
      matrix.add(truth: labels.values, prediction: try inference.classes(network, image))
      progress(done + 1)
    }
    return ConfusionMatrix(classes: classes, counts: try ranks.sum(matrix.counts))
  }

  /// The middle of the image, smaller where the image is.
  private func centered(
    _ image: RGBImage, _ labels: LabelMap, _ crop: Configuration.Size
  ) -> (RGBImage, LabelMap) {
    let height = min(crop.height, image.height), width = min(crop.width, image.width)
    let top = (image.height - height) / 2, left = (image.width - width) / 2
    var pixels: [UInt8] = [], values: [UInt8] = []
    for y in top..<top + height {
      let at = y * image.width + left
      pixels += image.pixels[at * 3..<(at + width) * 3]
      values += labels.values[at..<at + width]
    }
    return (
      RGBImage(height: height, width: width, pixels: pixels), LabelMap(height: height, width: width, values: values)
    )
  }
}
