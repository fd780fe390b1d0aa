public import Compute

/// Random scale, rotation, flip, crop, deformation and turns, for which image and mask move together and are resampled
/// once; then colour jitter, gamma, blur and noise of the image. Each part may be off.
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
  /// Of the piece that is cut out; what it takes from beyond the image is padding.
  public var elastic: ElasticDeformation?
  /// Mirrors the piece upside down with probability ½.
  public var verticalFlip: Bool
  /// Turns the piece by 0, 90, 180 or 270 degrees, each as often; without ``crop`` an image that is not square by 0 or
  /// 180.
  public var quarterTurns: Bool
  public var color: ColorJitter?
  public var gamma: GammaChange?
  public var blur: GaussianBlur?
  public var noise: GaussianNoise?
  /// A class of the mask: the window is one that a pixel of it, drawn uniformly, lies in before rotation; nil for any window.
  public var focus: UInt8?

  public init(
    scale: ClosedRange<Double>? = nil, flip: Bool = false, crop: (height: Int, width: Int)? = nil,
    rotate: ClosedRange<Double>? = nil, elastic: ElasticDeformation? = nil, verticalFlip: Bool = false,
    quarterTurns: Bool = false, color: ColorJitter? = nil, gamma: GammaChange? = nil, blur: GaussianBlur? = nil,
    noise: GaussianNoise? = nil
  ) {
    self.scale = scale
    self.flip = flip
    self.crop = crop
    self.rotate = rotate
    self.elastic = elastic
    self.verticalFlip = verticalFlip
    self.quarterTurns = quarterTurns
    self.color = color
    self.gamma = gamma
    self.blur = blur
    self.noise = noise
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

    /// The four words at an index.
    func words(_ index: UInt32) -> SIMD4<UInt32> {
      philox.words(
        index: index, item: UInt32(truncatingIfNeeded: slot), step: UInt32(truncatingIfNeeded: step), stream: stream)
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
    apply(
      height: image.height, width: image.width, labels, normalization: normalization.of(image),
      look: normalization, draws: draws
    ) { _ in (image, 0) }
  }

  /// The same of an image of which only the rows are read that the example needs.
  ///
  /// - Parameters:
  ///   - height, width: the whole image's.
  ///   - normalization: with no image's own statistics.
  ///   - read: some rows of the image, all columns.
  public func apply(
    height: Int, width: Int, _ labels: LabelMap?, normalization: Normalization, draws: Draws,
    read: (Range<Int>) throws -> Raster
  ) rethrows -> Example {
    precondition(normalization.statistics == .dataset)
    return try apply(
      height: height, width: width, labels, normalization: normalization, look: normalization, draws: draws
    ) { rows in
      let rows = rows()
      return (try read(rows), rows.lowerBound)
    }
  }

  /// - Parameters:
  ///   - own: with the image's own statistics, where it has any.
  ///   - normalization: what changes of the image's look see it by.
  ///   - read: a part of the image that has at least the rows that its argument finds, all columns, and its first row.
  private func apply(
    height: Int, width: Int, _ labels: LabelMap?, normalization own: Normalization, look normalization: Normalization,
    draws: Draws, read: (_ rows: () -> Range<Int>) throws -> (part: Raster, firstRow: Int)
  ) rethrows -> Example {
    precondition(labels.map { $0.height == height && $0.width == width } ?? true)
    let draw = { (quantity: Quantity) in draws.words(quantity.rawValue)[0] }
    let chance = { (quantity: Quantity, probability: Double) in draw(quantity).unitInterval < probability }
    let turns = turns(draw, height: height, width: width)
    let placement = placement(
      height: height, width: width, focus: pixelInFocus(labels, draw), sideways: turns % 2 == 1, draw)
    let view = View(placement)
    let elastic = elastic.flatMap { chance(.elastic, $0.probability) ? $0 : nil }
    let moved =
      rotate == nil && elastic == nil
      ? nil
      : RotatedView(
        placement, degrees: rotate?.at(draw(.angle)) ?? 0,
        shifts: elastic?.shifts(height: placement.height, width: placement.width, draws))
    let turn = Turn(
      quarters: turns, isUpsideDown: verticalFlip && chance(.upsideDown, 0.5), height: placement.height,
      width: placement.width)
    let (image, first) = try read { moved?.sourceRows ?? view.sourceRows }, channels = own.channels
    var pixels = turn.apply(
      moved?.pixels(image, firstRow: first, own) ?? view.pixels(image, firstRow: first, own), channels: channels)
    let color = color.flatMap { chance(.color, $0.probability) ? $0 : nil }
    let gamma = gamma.flatMap { chance(.gamma, $0.probability) ? $0 : nil }
    let blur = blur.flatMap { chance(.blur, $0.probability) ? $0 : nil }
    let noise = noise.flatMap { chance(.noise, $0.probability) ? $0 : nil }
    func sourceLabels(_ labels: LabelMap?) -> [UInt8] {
      turn.apply(moved?.labels(labels) ?? view.labels(labels), channels: 1)
    }
    // Of an unlabeled image 0 where the image is.
    var inside: [UInt8]?
    if color != nil || gamma != nil || blur != nil || noise != nil {
      // Padding takes no part in any.
      let unlabeled = sourceLabels(nil), covered = unlabeled.map { $0 == 0 }
      inside = unlabeled
      color?.apply(&pixels, covered, normalization, draw)
      gamma?.apply(&pixels, covered, channels: channels, draw)
      blur?.apply(&pixels, covered, width: turn.turnedWidth, channels: channels)
      noise?.apply(&pixels, covered, normalization, draws, draw)
    }
    return Example(
      height: turn.turnedHeight, width: turn.turnedWidth, pixels: pixels,
      labels: labels == nil ? inside ?? sourceLabels(nil) : sourceLabels(labels))
  }

  /// How many quarters of a circle the piece is turned by.
  private func turns(_ draw: (Quantity) -> UInt32, height: Int, width: Int) -> Int {
    guard quarterTurns else { return 0 }
    let turns = Int(draw(.turns) >> 30)
    return crop == nil && height != width ? turns / 2 * 2 : turns
  }

  /// What is drawn; the raw value is the first word of the counter.
  enum Quantity: UInt32 {
    case scale, flip, top, left, angle, blur, color, brightness, contrast, saturation, hue, grey, focus
    case elastic, upsideDown, turns, gamma, gammaExponent, noise, noiseDeviation
  }

  /// The pixel of the mask that the window has to hold.
  private func pixelInFocus(_ labels: LabelMap?, _ draw: (Quantity) -> UInt32) -> (y: Int, x: Int)? {
    guard let focus, let labels else { return nil }
    let pixels = labels.values.indices.filter { labels.values[$0] == focus }
    guard !pixels.isEmpty else { return nil }
    let pixel = pixels[Int((UInt64(draw(.focus)) &* UInt64(pixels.count)) >> 32)]
    return (pixel / labels.width, pixel % labels.width)
  }

  /// - Parameter sideways: whether the piece will be turned by one or three quarters.
  private func placement(
    height: Int, width: Int, focus: (y: Int, x: Int)?, sideways: Bool, _ draw: (Quantity) -> UInt32
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
    // A piece that is turned on its side has its own sides before.
    let size = crop.map { sideways ? (height: $0.width, width: $0.height) : $0 } ?? scaled
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
