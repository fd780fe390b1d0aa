public import Compute

/// Random changes of an image's look that leave every pixel where it is: colour jitter, gamma, loss of all colour, blur,
/// noise, in this order. Each may be off.
public struct PhotometricChange: Sendable, Equatable {
  public var color: ColorJitter?
  public var gamma: GammaChange?
  /// Probability that an image becomes grey; ignored unless images have three channels.
  public var greyProbability: Double
  public var blur: GaussianBlur?
  public var noise: GaussianNoise?

  public init(
    color: ColorJitter? = nil, gamma: GammaChange? = nil, greyProbability: Double = 0, blur: GaussianBlur? = nil,
    noise: GaussianNoise? = nil
  ) {
    self.color = color
    self.gamma = gamma
    self.greyProbability = greyProbability
    self.blur = blur
    self.noise = noise
  }

  /// Whether it changes nothing.
  public var isOff: Bool {
    color == nil && gamma == nil && greyProbability == 0 && blur == nil && noise == nil
  }

  /// Changes one image in place: a pure function of its arguments. Draws are Philox's at (quantity, slot, step).
  ///
  /// - Parameters:
  ///   - pixels: height × width × channels, normalised.
  ///   - covered: height × width: which of them are the image's; others stay as they are and count nowhere.
  ///   - draws: of the global slot, whichever rank holds it.
  public func apply(
    _ pixels: inout [Float], covered: [Bool], width: Int, normalization: Normalization,
    draws: Augmentation.Draws
  ) {
    let draw = { (quantity: Augmentation.Quantity) in draws.words(quantity.rawValue)[0] }
    let chance = { (quantity: Augmentation.Quantity, probability: Double) in draw(quantity).unitInterval < probability }
    let channels = normalization.channels
    if let color, chance(.color, color.probability) { color.apply(&pixels, covered, normalization, draw) }
    if let gamma, chance(.gamma, gamma.probability) { gamma.apply(&pixels, covered, channels: channels, draw) }
    if channels == 3, chance(.grey, greyProbability) { Self.makeGrey(&pixels, covered, normalization) }
    if let blur, chance(.blur, blur.probability) {
      blur.apply(&pixels, covered, width: width, channels: channels)
    }
    if let noise, chance(.noise, noise.probability) { noise.apply(&pixels, covered, normalization, draws, draw) }
  }

  /// Each channel becomes the pixel's luma.
  private static func makeGrey(_ pixels: inout [Float], _ covered: [Bool], _ normalization: Normalization) {
    let (mean, std) = (normalization.mean, normalization.std)
    for at in covered.indices where covered[at] {
      let luma = ColorJitter.grey(
        SIMD3(
          pixels[3 * at] * std[0] + mean[0], pixels[3 * at + 1] * std[1] + mean[1],
          pixels[3 * at + 2] * std[2] + mean[2]))
      for c in 0..<3 { pixels[3 * at + c] = (luma - mean[c]) / std[c] }
    }
  }
}
