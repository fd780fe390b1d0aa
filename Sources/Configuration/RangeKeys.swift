// What of an image's values becomes 0–255, and what its mean and deviation are.

extension Configuration.Data {
  /// Values that become 0 and 255.
  public enum ValueRange: Sendable, Equatable {
    /// Those of the type.
    case type
    case values(ClosedRange<Double>)
    /// Percentiles of the training images, and the values that they were found to be.
    case percentiles(ClosedRange<Double>, found: ClosedRange<Double>?)
  }

  /// Whose mean and deviation an image is normalised with.
  public enum Normalize: String, Sendable, CaseIterable {
    case dataset
    case image
    /// The image's own, over pixels that are not 0 in every channel.
    case imageNonZero = "image_nonzero"
  }

  /// The values that become 0 and 255; nil where the type says so, and for percentiles that have not been found yet.
  public var knownRange: ClosedRange<Double>? {
    switch range {
    case .type: nil
    case .values(let values): values
    case .percentiles(_, let found): found
    }
  }
}

extension ValueKind where Value == Configuration.Data.ValueRange {
  static var valueRange: Self {
    let limits = increasing("below 1e9, the lower first", example: "[0, 4095]") { abs($0) < 1e9 }
    // The percentiles again, then their values: those of other percentiles count for nothing.
    let found = ValueKind<[Double]>.list(
      4, of: .number("finite", example: 100) { _ in true }, type: "a list of four numbers",
      example: "[0.5, 99.5, 12, 1803]"
    )
    let shares = increasing("0 to 100, the lower first", example: "[0.5, 99.5]") { (0...100).contains($0) }
    return ValueKind(
      type: "a list of two numbers, {percentiles: [low, high]}, or null", range: limits.range,
      example: limits.example,
      parse: { item throws(Refusal) in
        if item.isNull { return .type }
        guard let mapping = item.mapping else { return .values(try limits.parse(item)) }
        for entry in mapping.entries where !["percentiles", "found"].contains(entry.key) {
          throw Refusal(.other("unknown key '\(clipped(entry.key))'; allowed here: percentiles"), item)
        }
        guard let percentiles = mapping["percentiles"]?.value else {
          throw Refusal(.other("percentiles are missing, such as {percentiles: [0.5, 99.5]}"), item)
        }
        let wanted = try shares.parse(percentiles)
        guard let item = mapping["found"]?.value else { return .percentiles(wanted, found: nil) }
        let numbers = try found.parse(item)
        let limits = (Float(numbers[2]), Float(numbers[3]))
        let isRange = limits.0 < limits.1 && limits.0.isFinite && limits.1.isFinite
        let isOfThese = wanted == numbers[0]...max(numbers[0], numbers[1]) && isRange
        return .percentiles(wanted, found: isOfThese ? numbers[2]...numbers[3] : nil)
      },
      format: { range in
        switch range {
        case .type: return "null"
        case .values(let values): return limits.format(values)
        case .percentiles(let percentiles, let known):
          let numbers = known.map { [percentiles.lowerBound, percentiles.upperBound, $0.lowerBound, $0.upperBound] }
          let values = numbers.map { ", found: \(found.format($0))" } ?? ""
          return "{percentiles: \(shares.format(percentiles))\(values)}"
        }
      })
  }

  /// Two numbers that differ as 32-bit floats too, the lower first.
  private static func increasing(
    _ range: String, example: String, _ allows: @escaping (Double) -> Bool
  ) -> ValueKind<ClosedRange<Double>> {
    let number = ValueKind<Double>.number(range, example: 100, allows)
    let pair = ValueKind<[Double]>.list(2, of: number, type: "a list of two numbers", example: example)
    return ValueKind<ClosedRange<Double>>(
      type: pair.type, range: pair.range, example: pair.example,
      parse: { item throws(Refusal) in
        let values = try pair.parse(item)
        guard values[0] < values[1] else {
          throw Refusal(.other("\(pair.format(values)) is no range; write the lower number first"), item)
        }
        guard Float(values[0]) < Float(values[1]) else {
          throw Refusal(
            .other(
              "\(pair.format(values)): both are the same number in 32 bits, as pixels are; write two that differ by more"
            ),
            item)
        }
        return values[0]...values[1]
      }, format: { pair.format([$0.lowerBound, $0.upperBound]) })
  }
}

extension ValueKind where Value == ClosedRange<Double> {
  static var gamma: Self {
    amounts("0.1 to 10, the lower first", example: (1, "[0.7, 1.5]")) { (0.1...10).contains($0) }
  }

  static var noise: Self { amounts("0 to 255, the lower first", example: (1, "[0, 10]")) { (0...255).contains($0) } }

  /// Two numbers, or one for the same twice.
  ///
  /// - Parameter example: of one number, and of two.
  static func amounts(
    _ range: String, example: (one: Double, two: String), _ allows: @escaping (Double) -> Bool
  ) -> Self {
    let number = ValueKind<Double>.number(range, example: example.one, allows)
    let pair = ValueKind<[Double]>.list(
      2, of: number, type: "a number, or a list of two numbers", example: example.two)
    return ValueKind(
      type: pair.type, range: pair.range, example: pair.example,
      parse: { item throws(Refusal) in
        guard item.list != nil else {
          let one = try number.parse(item)
          return one...one
        }
        let values = try pair.parse(item)
        guard values[0] <= values[1] else {
          throw Refusal(.other("\(pair.format(values)) is no range; write the lower number first"), item)
        }
        return values[0]...values[1]
      }, format: { pair.format([$0.lowerBound, $0.upperBound]) })
  }
}

extension ValueKind where Value == Configuration.Augment.Elastic {
  /// `[amplitude, spacing]`.
  static var elastic: Self {
    let range = "the first above 0, at most 1000, the second a whole number from 4 to 1000"
    let number = ValueKind<Double>.number(range, example: 8) { $0 > 0 && $0 <= 1000 }
    let pair = ValueKind<[Double]>.list(2, of: number, type: "a list of two numbers", example: "[8, 32]")
    return ValueKind(
      type: pair.type, range: range, example: pair.example,
      parse: { item throws(Refusal) in
        let values = try pair.parse(item)
        guard let spacing = Int(exactly: values[1]), spacing >= 4 else {
          throw Refusal(.range, item.list?.last ?? item)
        }
        return Value(amplitude: values[0], spacing: spacing)
      }, format: { pair.format([$0.amplitude, Double($0.spacing)]) })
  }
}
