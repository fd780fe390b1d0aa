public import Compute

/// What is subtracted from and what divides a pixel, per channel, in units of 0–255.
public struct Normalization: Sendable, Equatable {
  public var mean: [Float]
  public var std: [Float]

  /// - Parameters:
  ///   - mean: red, green, blue.
  ///   - std: red, green, blue; positive.
  public init(mean: [Float], std: [Float]) {
    precondition(mean.count == 3 && std.count == 3)
    self.mean = mean
    self.std = std
  }
}

/// An image as the network gets it.
public struct Example: Sendable {
  public let height: Int
  public let width: Int
  /// height × width × 3: (x − mean) / std, 0 where there is padding.
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

/// Random scale, then flip, then crop; the image and its mask move together. Each part may be off.
public struct Augmentation: Sendable {
  /// The factor is uniform in this range of positive numbers. The image is resampled bilinearly, the mask to the
  /// nearest pixel, both with pixel centres at half-integers.
  public var scale: ClosedRange<Double>?
  /// Mirrors left and right with probability ½.
  public var flip: Bool
  /// A window at a uniform position, its sides positive. An image smaller than it is first padded at the right and the
  /// bottom, with the mean colour and ``LabelMap/ignore``.
  public var crop: (height: Int, width: Int)?

  public init(scale: ClosedRange<Double>? = nil, flip: Bool = false, crop: (height: Int, width: Int)? = nil) {
    self.scale = scale
    self.flip = flip
    self.crop = crop
  }

  /// The example a slot of a step gets.
  ///
  /// A pure function of its arguments: draws are Philox's at (quantity, slot, step) of `stream`. With everything off
  /// the result is the image as it is, normalised.
  /// - Parameters:
  ///   - labels: of the image's size; nil for an unlabeled image.
  ///   - stream: ``RandomStream/labeledAugmentation`` or ``RandomStream/unlabeledAugmentation``.
  ///   - slot: the global slot, whichever rank holds it.
  public func apply(
    _ image: RGBImage, _ labels: LabelMap?, normalization: Normalization, philox: Philox, stream: RandomStream,
    slot: Int, step: Int
  ) -> Example {
    precondition(labels.map { $0.height == image.height && $0.width == image.width } ?? true)
    let view = view(height: image.height, width: image.width) { quantity in
      philox.words(
        index: quantity.rawValue, item: UInt32(truncatingIfNeeded: slot), step: UInt32(truncatingIfNeeded: step),
        stream: stream)[0]
    }
    return Example(
      height: view.rows.length, width: view.columns.length,
      pixels: view.pixels(image, normalization),
      labels: view.labels(labels))
  }

  /// What is drawn; the raw value is the first word of the counter.
  enum Quantity: UInt32 { case scale, flip, top, left }

  private func view(height: Int, width: Int, draw: (Quantity) -> UInt32) -> View {
    var scaled = (height: height, width: width)
    if let scale {
      let factor = scale.lowerBound + (scale.upperBound - scale.lowerBound) * draw(.scale).unitInterval
      scaled.height = max(1, Int((Double(height) * factor).rounded()))
      scaled.width = max(1, Int((Double(width) * factor).rounded()))
    }
    let mirrored = flip && draw(.flip).unitInterval < 0.5
    func offset(_ length: Int, in full: Int, _ quantity: Quantity) -> Int {
      full > length ? Int((UInt64(draw(quantity)) &* UInt64(full - length + 1)) >> 32) : 0
    }
    let size = crop ?? scaled
    return View(
      rows: Axis(
        source: height, scaled: scaled.height, start: offset(size.height, in: scaled.height, .top),
        length: size.height, mirrored: false),
      columns: Axis(
        source: width, scaled: scaled.width, start: offset(size.width, in: scaled.width, .left),
        length: size.width, mirrored: mirrored))
  }
}
