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
