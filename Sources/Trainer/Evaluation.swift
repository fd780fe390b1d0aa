import Compute
import Configuration
import Dataset
import Distributed
import Network

/// How often pixels of each true class were given each class, over a whole list.
public struct ConfusionMatrix: Sendable, Equatable {
  public let classes: Int
  /// True class major.
  public private(set) var counts: [Int64]

  public init(classes: Int) {
    self.classes = classes
    counts = [Int64](repeating: 0, count: classes * classes)
  }

  public init(classes: Int, counts: [Int64]) {
    precondition(counts.count == classes * classes)
    self.classes = classes
    self.counts = counts
  }

  /// Pixels whose truth is 255 are left out.
  public mutating func add(truth: [UInt8], prediction: [UInt8]) {
    for (t, p) in zip(truth, prediction) where t != ignoreLabel { counts[Int(t) * classes + Int(p)] += 1 }
  }

  /// Intersection over union of each class, nil for a class neither present nor predicted.
  public var intersectionOverUnion: [Double?] {
    (0..<classes).map { c in
      let hits = counts[c * classes + c]
      let truth = (0..<classes).reduce(0) { $0 + counts[c * classes + $1] }
      let predicted = (0..<classes).reduce(0) { $0 + counts[$1 * classes + c] }
      let union = truth + predicted - hits
      return union > 0 ? Double(hits) / Double(union) : nil
    }
  }

  /// Mean over the classes that are present or predicted; 0 where there is none.
  public var meanIntersectionOverUnion: Double {
    let present = intersectionOverUnion.compactMap { $0 }
    return present.isEmpty ? 0 : present.reduce(0, +) / Double(present.count)
  }

  /// Share of pixels given their true class.
  public var pixelAccuracy: Double {
    let all = counts.reduce(0, +)
    return all > 0 ? Double((0..<classes).reduce(0) { $0 + counts[$1 * classes + $1] }) / Double(all) : 0
  }
}

/// Evaluation of a network on a list: one global confusion matrix, each image once whatever the rank count.
public struct Evaluator {
  let configuration: Configuration
  let ranks: Communicator

  public init(_ configuration: Configuration, ranks: Communicator) {
    self.configuration = configuration
    self.ranks = ranks
  }

  /// Collective; rank r takes images r, r + size, …
  ///
  /// - Parameter progress: called on every rank after each of its images, with how many it has done.
  /// - Throws: what reading an image throws, on the rank that reads it.
  public func evaluate(
    _ network: Segmenter, on set: any ImageSet, progress: (Int) -> Void = { _ in }
  ) throws -> ConfusionMatrix {
    var matrix = ConfusionMatrix(classes: configuration.data.classes)
    let normalization = Normalization(configuration)
    for (done, index) in stride(from: ranks.rank, to: set.count, by: ranks.size).enumerated() {
      var (image, labels) = try set.labeledImage(index)
      if configuration.evaluate.mode == .centerCrop, let crop = configuration.augment.crop {
        (image, labels) = centered(image, labels, crop)
      }
      let example = Augmentation().apply(
        image, labels, normalization: normalization, philox: Philox(seed: 0), stream: .labeledAugmentation, slot: 0,
        step: 0)
      let prediction =
        try configuration.evaluate.mode == .sliding
        ? sliding(network, example, configuration.augment.crop!) : whole(network, example)
      matrix.add(truth: example.labels, prediction: prediction)
      progress(done + 1)
    }
    return ConfusionMatrix(classes: matrix.classes, counts: try ranks.sum(matrix.counts))
  }

  private func logits(_ network: Segmenter, _ pixels: [Float], _ height: Int, _ width: Int) throws -> Tensor {
    let image = Tensor(count: 1, height: height, width: width, channels: 3)
    image.data.update(from: pixels, count: pixels.count)
    return try network.forward(image, representation: false, .evaluation(samples: 1)).logits
  }

  private func whole(_ network: Segmenter, _ example: Example) throws -> [UInt8] {
    let logits = try logits(network, example.pixels, example.height, example.width)
    return UpsampledPixels(logits: logits, height: example.height, width: example.width)
      .prediction(logits, sample: 0).classes
  }

  /// Windows of the crop's size every ⌈2/3⌉ of it, the last flush with the border; logits averaged where they overlap.
  /// A smaller image is padded with the mean.
  private func sliding(_ network: Segmenter, _ example: Example, _ crop: Configuration.Size) throws -> [UInt8] {
    let classes = configuration.data.classes
    let (height, width) = (example.height, example.width), plane = height * width
    var sum = [Float](repeating: 0, count: classes * plane)
    var windows = [Float](repeating: 0, count: plane)
    for top in starts(height, crop.height) {
      for left in starts(width, crop.width) {
        let rows = min(crop.height, height), columns = min(crop.width, width)
        var pixels = [Float](repeating: 0, count: crop.height * crop.width * 3)
        for y in 0..<rows {
          let from = ((top + y) * width + left) * 3
          pixels.replaceSubrange(
            y * crop.width * 3..<(y * crop.width + columns) * 3, with: example.pixels[from..<from + columns * 3])
        }
        let logits = try logits(network, pixels, crop.height, crop.width)
        let large = UpsampledPixels(logits: logits, height: crop.height, width: crop.width)
          .upsampled(logits, sample: 0)
        for y in 0..<rows {
          let at = (top + y) * width + left
          for x in 0..<columns { windows[at + x] += 1 }
          for c in 0..<classes {
            let from = (c * crop.height + y) * crop.width
            for x in 0..<columns { sum[c * plane + at + x] += large[from + x] }
          }
        }
      }
    }
    return (0..<plane).map { p in
      var best = 0
      for c in 1..<classes where sum[c * plane + p] / windows[p] > sum[best * plane + p] / windows[p] { best = c }
      return UInt8(best)
    }
  }

  private func starts(_ size: Int, _ crop: Int) -> [Int] {
    guard size > crop else { return [0] }
    let step = (2 * crop + 2) / 3
    let count = (size - crop + step - 1) / step + 1
    return (0..<count).map { min($0 * step, size - crop) }
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
