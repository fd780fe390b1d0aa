/// How an image's values become the network's input: a range of them becomes 0–255, of which a mean is subtracted and
/// which a deviation divides, per channel.
public struct Normalization: Sendable, Equatable {
  /// In units of 0–255, a number for each channel.
  public var mean: [Float]
  public var std: [Float]
  /// What becomes 0–255; nil for the ``PixelType/range`` of the image's type.
  public var range: PixelRange?

  /// - Parameters:
  ///   - mean: a number for each channel.
  ///   - std: as many, positive.
  public init(mean: [Float], std: [Float], range: PixelRange? = nil) {
    precondition(mean.count == std.count)
    self.mean = mean
    self.std = std
    self.range = range
  }

  public var channels: Int { mean.count }
}

/// An image as the network's input, with its labels.
public struct Example: Sendable {
  public let height: Int
  public let width: Int
  /// height × width × channels: (x − mean) / std, 0 where there is padding.
  public var pixels: [Float]
  /// height × width: classes and ``LabelMap/ignore``. For an unlabeled image 0 on its pixels and
  /// ``LabelMap/ignore`` on padding.
  public var labels: [UInt8]

  public init(height: Int, width: Int, pixels: [Float], labels: [UInt8]) {
    self.height = height
    self.width = width
    self.pixels = pixels
    self.labels = labels
  }
}

/// A rank's share of one step's global batch.
public struct Batch: Sendable {
  public let step: Int
  /// By slot.
  public let labeled: [Example]
  /// By slot; empty before the step that first uses unlabeled images.
  public let unlabeled: [Example]
  /// Where the images lie: those of `labeled`, then those of `unlabeled`.
  public let identifiers: [String]

  public init(step: Int, labeled: [Example], unlabeled: [Example], identifiers: [String]) {
    self.step = step
    self.labeled = labeled
    self.unlabeled = unlabeled
    self.identifiers = identifiers
  }
}
