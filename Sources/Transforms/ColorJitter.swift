/// Random changes of brightness, contrast, saturation and hue, in this order, as torchvision defines each. Images of
/// other than three channels get only brightness and contrast, the contrast about each channel's own mean.
public struct ColorJitter: Sendable, Equatable {
  /// Factors are uniform in 1 ± these, but not below 0.
  public var brightness: Double
  public var contrast: Double
  public var saturation: Double
  /// The shift is uniform in ± this, in turns of the colour circle.
  public var hue: Double
  /// Probability that an image is changed at all.
  public var probability: Double

  public init(brightness: Double, contrast: Double, saturation: Double, hue: Double, probability: Double) {
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
    self.hue = hue
    self.probability = probability
  }

  /// Changes the pixels of the image in place, each result kept within 0–255, unless images have statistics of their own.
  ///
  /// - Parameters:
  ///   - pixels: normalised, pixels × channels.
  ///   - covered: which of them are the image's; padding keeps the mean colour.
  func apply(
    _ pixels: inout [Float], _ covered: [Bool], _ normalization: Normalization,
    _ draw: (Augmentation.Quantity) -> UInt32
  ) {
    func factor(_ strength: Double, _ quantity: Augmentation.Quantity) -> Float {
      Float((max(0, 1 - strength)...1 + strength).at(draw(quantity)))
    }
    let brightness = factor(brightness, .brightness), contrast = factor(contrast, .contrast)
    guard normalization.channels == 3 else {
      for channel in 0..<normalization.channels {
        Self.apply(brightness, contrast, &pixels, covered, normalization, channel)
      }
      return
    }
    let saturation = factor(saturation, .saturation), turn = Float((-hue...hue).at(draw(.hue)))
    let mean = SIMD3(normalization.mean[0], normalization.mean[1], normalization.mean[2])
    let std = SIMD3(normalization.std[0], normalization.std[1], normalization.std[2])

    func limited(_ color: SIMD3<Float>) -> SIMD3<Float> { normalization.isLimited ? Self.limited(color) : color }
    var colors = [SIMD3<Float>](repeating: .zero, count: covered.count)
    var grey = 0.0, count = 0.0
    for at in covered.indices where covered[at] {
      let color = SIMD3(pixels[3 * at], pixels[3 * at + 1], pixels[3 * at + 2]) * std + mean
      colors[at] = limited(color * brightness)
      grey += Double(Self.grey(colors[at]))
      count += 1
    }
    let middle = SIMD3(repeating: Float(grey / max(count, 1)))
    for at in covered.indices where covered[at] {
      var color = limited(colors[at] * contrast + middle * (1 - contrast))
      color = limited(color * saturation + SIMD3(repeating: Self.grey(color)) * (1 - saturation))
      color = (Self.turned(color, by: turn) - mean) / std
      for channel in 0..<3 { pixels[3 * at + channel] = color[channel] }
    }
  }

  /// Brightness and contrast of one channel.
  private static func apply(
    _ brightness: Float, _ contrast: Float, _ pixels: inout [Float], _ covered: [Bool], _ normalization: Normalization,
    _ channel: Int
  ) {
    let channels = normalization.channels, mean = normalization.mean[channel], std = normalization.std[channel]
    func limited(_ value: Float) -> Float { normalization.isLimited ? min(max(value, 0), 255) : value }
    var sum = 0.0, count = 0.0
    for at in covered.indices where covered[at] {
      let value = limited((pixels[at * channels + channel] * std + mean) * brightness)
      pixels[at * channels + channel] = value
      sum += Double(value)
      count += 1
    }
    let middle = Float(sum / max(count, 1))
    for at in covered.indices where covered[at] {
      let value = limited(pixels[at * channels + channel] * contrast + middle * (1 - contrast))
      pixels[at * channels + channel] = (value - mean) / std
    }
  }

  private static func limited(_ color: SIMD3<Float>) -> SIMD3<Float> {
    color.clamped(lowerBound: .zero, upperBound: SIMD3(repeating: 255))
  }

  /// Luma of ITU-R BT.601.
  static func grey(_ color: SIMD3<Float>) -> Float { 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] }

  /// The colour of the same value and saturation (HSV) whose hue lies `turn` of the circle further.
  private static func turned(_ color: SIMD3<Float>, by turn: Float) -> SIMD3<Float> {
    let value = color.max(), chroma = value - color.min()
    guard chroma > 0, turn != 0 else { return color }
    var sixths: Float
    if color[0] == value {
      sixths = (color[1] - color[2]) / chroma
    } else if color[1] == value {
      sixths = 2 + (color[2] - color[0]) / chroma
    } else {
      sixths = 4 + (color[0] - color[1]) / chroma
    }
    sixths += 6 * turn
    /// How much a channel keeps of the chroma, by its distance on the circle from where it is full.
    func channel(_ center: Float) -> Float {
      var distance = abs(sixths - center)
      distance -= 6 * (distance / 6).rounded(.down)
      distance = min(distance, 6 - distance)
      return value - chroma * min(max(distance - 1, 0), 1)
    }
    return SIMD3(channel(0), channel(2), channel(4))
  }
}
