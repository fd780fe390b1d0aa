public import Compute

/// Random scale, rotation, flip and crop, for which image and mask move together and are resampled once; then colour
/// jitter and blur of the image. Each part may be off.
public struct Augmentation: Sendable {
  /// The factor is uniform in this range of positive numbers. The image is resampled bilinearly, the mask to the
  /// nearest pixel, both with pixel centres at half-integers.
  public var scale: ClosedRange<Double>?
  /// Mirrors left and right with probability ½.
  public var flip: Bool
  /// A window at a uniform position, its sides positive. An image smaller than it is first padded at the right and the
  /// bottom, with the mean colour and ``LabelMap/ignore``.
  public var crop: (height: Int, width: Int)?
  /// Degrees, counter-clockwise, uniform in this range: the image turns about its centre within its borders; the
  /// corners this leaves empty are padding.
  public var rotate: ClosedRange<Double>?
  public var color: ColorJitter?
  public var blur: GaussianBlur?
  /// A class of the mask: the window is one that a pixel of it, drawn uniformly, lies in before rotation; nil for any window.
  public var focus: UInt8?

  public init(
    scale: ClosedRange<Double>? = nil, flip: Bool = false, crop: (height: Int, width: Int)? = nil,
    rotate: ClosedRange<Double>? = nil, color: ColorJitter? = nil, blur: GaussianBlur? = nil
  ) {
    self.scale = scale
    self.flip = flip
    self.crop = crop
    self.rotate = rotate
    self.color = color
    self.blur = blur
  }

  /// Where in Philox's counter the draws of one example lie.
  public struct Draws: Sendable {
    let philox: Philox
    let stream: RandomStream
    let slot: Int
    let step: Int

    /// - Parameters:
    ///   - stream: ``RandomStream/labeledAugmentation``, ``RandomStream/unlabeledAugmentation`` or
    ///     ``RandomStream/strongView``.
    ///   - slot: the global slot, whichever rank holds it.
    public init(_ philox: Philox, _ stream: RandomStream, slot: Int, step: Int) {
      (self.philox, self.stream, self.slot, self.step) = (philox, stream, slot, step)
    }
  }

  /// The example that a slot of a step gets.
  ///
  /// A pure function of its arguments: draws are Philox's at (quantity, slot, step) of the stream. With everything off
  /// the result is the image as it is, normalised.
  /// - Parameters:
  ///   - labels: of the image's size; nil for an unlabeled image.
  public func apply(
    _ image: Raster, _ labels: LabelMap?, normalization: Normalization, draws: Draws
  ) -> Example {
    precondition(labels.map { $0.height == image.height && $0.width == image.width } ?? true)
    let draw = { (quantity: Quantity) in
      draws.philox.words(
        index: quantity.rawValue, item: UInt32(truncatingIfNeeded: draws.slot),
        step: UInt32(truncatingIfNeeded: draws.step), stream: draws.stream)[0]
    }
    let placement = placement(height: image.height, width: image.width, focus: pixelInFocus(labels, draw), draw)
    let view = View(placement)
    let turned = rotate.map { RotatedView(placement, degrees: $0.at(draw(.angle))) }
    var pixels = turned?.pixels(image, normalization) ?? view.pixels(image, normalization)
    let color = color.flatMap { draw(.color).unitInterval < $0.probability ? $0 : nil }
    let blur = blur.flatMap { draw(.blur).unitInterval < $0.probability ? $0 : nil }
    if color != nil || blur != nil {
      // Padding takes no part in either. The labels of an unlabeled image are 0 where there is one.
      let covered = (turned?.labels(nil) ?? view.labels(nil)).map { $0 == 0 }
      color?.apply(&pixels, covered, normalization, draw)
      blur?.apply(&pixels, covered, width: placement.width, channels: image.channels)
    }
    return Example(
      height: placement.height, width: placement.width, pixels: pixels,
      labels: turned?.labels(labels) ?? view.labels(labels))
  }

  /// What is drawn; the raw value is the first word of the counter.
  enum Quantity: UInt32 {
    case scale, flip, top, left, angle, blur, color, brightness, contrast, saturation, hue, grey, focus
  }

  /// The pixel of the mask that the window has to hold.
  private func pixelInFocus(_ labels: LabelMap?, _ draw: (Quantity) -> UInt32) -> (y: Int, x: Int)? {
    guard let focus, let labels else { return nil }
    let pixels = labels.values.indices.filter { labels.values[$0] == focus }
    guard !pixels.isEmpty else { return nil }
    let pixel = pixels[Int((UInt64(draw(.focus)) &* UInt64(pixels.count)) >> 32)]
    return (pixel / labels.width, pixel % labels.width)
  }

  private func placement(
    height: Int, width: Int, focus: (y: Int, x: Int)?, _ draw: (Quantity) -> UInt32
  ) -> Placement {
    var scaled = (height: height, width: width)
    if let scale {
      let factor = scale.at(draw(.scale))
      scaled.height = max(1, Int((Double(height) * factor).rounded()))
      scaled.width = max(1, Int((Double(width) * factor).rounded()))
    }
    let mirrored = flip && draw(.flip).unitInterval < 0.5
    /// The window's first pixel, which leaves the pixel `inside` in it.
    func offset(_ length: Int, in full: Int, _ quantity: Quantity, inside: Int?) -> Int {
      guard full > length else { return 0 }
      let first = inside.map { max(0, $0 - length + 1) } ?? 0, last = min(full - length, inside ?? full)
      return first + Int((UInt64(draw(quantity)) &* UInt64(last - first + 1)) >> 32)
    }
    let size = crop ?? scaled
    // Where the pixel's centre comes to lie.
    let y = focus.map { (2 * $0.y + 1) * scaled.height / (2 * height) }
    let x = focus.map { (2 * $0.x + 1) * scaled.width / (2 * width) }.map { mirrored ? scaled.width - 1 - $0 : $0 }
    return Placement(
      source: (height, width), scaled: scaled, mirrored: mirrored,
      top: offset(size.height, in: scaled.height, .top, inside: y),
      left: offset(size.width, in: scaled.width, .left, inside: x), height: size.height, width: size.width)
  }
}

/// Where an example lies: its window in the scaled, mirrored image.
struct Placement {
  let source: (height: Int, width: Int)
  let scaled: (height: Int, width: Int)
  let mirrored: Bool
  let top: Int
  let left: Int
  let height: Int
  let width: Int
}

extension ClosedRange<Double> {
  /// The number that a draw stands for, uniform in the range.
  func at(_ word: UInt32) -> Double { lowerBound + (upperBound - lowerBound) * word.unitInterval }
}
