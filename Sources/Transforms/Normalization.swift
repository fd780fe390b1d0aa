/// How an image's values become the network's input: a range of them becomes 0–255, of which a mean is subtracted and
/// which a deviation divides, per channel.
public struct Normalization: Sendable, Equatable {
  /// Whose mean and deviation are taken from an image.
  public enum Statistics: Sendable, Equatable {
    /// ``mean`` and ``std``, the same for every image.
    case dataset
    /// Those of the image itself, over all of its pixels, or those that are not 0 in every channel.
    case image(nonZero: Bool)
  }

  /// In units of 0–255, one number a channel. With per-image statistics, images are not normalised by these; colour
  /// changes and noise still use them to convert normalised values back.
  public var mean: [Float]
  public var std: [Float]
  /// What becomes 0–255; nil for the ``PixelType/range`` of the image's type, or, where an image has statistics of its
  /// own, for values as they are.
  public var range: PixelRange?
  public var statistics: Statistics
  /// Whether values are taken as they are where there is no range.
  private(set) var isUnscaled: Bool

  /// - Parameters:
  ///   - mean: a number for each channel.
  ///   - std: as many, positive.
  public init(mean: [Float], std: [Float], range: PixelRange? = nil, statistics: Statistics = .dataset) {
    precondition(mean.count == std.count)
    self.mean = mean
    self.std = std
    self.range = range
    self.statistics = statistics
    isUnscaled = statistics != .dataset
  }

  public var channels: Int { mean.count }

  /// Whether changes of an image's look keep values within 0–255, as they are where these are its range.
  var isLimited: Bool { statistics == .dataset }

  /// With the image's own mean and deviation where ``statistics`` asks for them. An image of one value has the deviation 1.
  public func of(_ image: Raster) -> Normalization {
    guard case .image(let nonZero) = statistics else { return self }
    let (mean, std) = image.statistics(ValueScale(self, image.type), nonZero: nonZero)
    var own = Normalization(mean: mean, std: std, range: range)
    own.isUnscaled = true
    return own
  }
}

extension Raster {
  /// Mean and deviation of each channel, of values brought to 0–255.
  fileprivate func statistics(_ scale: ValueScale, nonZero: Bool) -> (mean: [Float], std: [Float]) {
    switch values {
    case .uint8(let values): statistics(of: values, scale, nonZero)
    case .uint16(let values): statistics(of: values, scale, nonZero)
    case .int16(let values): statistics(of: values, scale, nonZero)
    case .float32(let values): statistics(of: values, scale, nonZero)
    }
  }

  private func statistics<Value: PixelValue>(
    of values: [Value], _ scale: ValueScale, _ nonZero: Bool
  ) -> (mean: [Float], std: [Float]) {
    let channels = channels
    return values.withUnsafeBufferPointer { values in
      /// Calls `body` with the place of each pixel's first value.
      func forEachPixel(_ body: (Int) -> Void) {
        for at in stride(from: 0, to: values.count, by: channels) {
          if nonZero, (0..<channels).allSatisfy({ values[at + $0].number == 0 }) { continue }
          body(at)
        }
      }
      var count = 0.0
      var means = [Double](repeating: 0, count: channels), squares = means
      forEachPixel { at in
        count += 1
        for c in 0..<channels { means[c] += Double(scale.apply(values[at + c].number)) }
      }
      for c in 0..<channels { means[c] /= max(count, 1) }
      forEachPixel { at in
        for c in 0..<channels {
          let difference = Double(scale.apply(values[at + c].number)) - means[c]
          squares[c] += difference * difference
        }
      }
      let deviations = squares.map { Float(($0 / max(count, 1)).squareRoot()) }
      return (means.map { Float($0) }, deviations.map { $0 > 1e-6 ? $0 : 1 })
    }
  }
}
