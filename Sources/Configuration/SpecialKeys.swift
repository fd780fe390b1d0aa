import Foundation

// Keys whose values are not one plain kind.

extension ValueKind where Value == Double {
  static var probability: Self { .number("0 to 1", example: 0.5) { (0...1).contains($0) } }
}

extension ValueKind where Value == Int {
  static var channels: Self { .integer(1...16_384, example: 256) }

  static func oneOf(_ values: [Int]) -> Self {
    var kind = integer(0...Int.largest, example: values.first ?? 0)
    let parse = kind.parse
    kind.range = values.map(String.init).joined(separator: " or ")
    kind.parse = { item throws(Refusal) in
      let value = try parse(item)
      guard values.contains(value) else { throw Refusal(.range, item) }
      return value
    }
    return kind
  }
}

extension ValueKind where Value == [Double] {
  /// Factors of a multi-scale evaluation.
  static var evaluationScales: Self {
    let factor = ValueKind<Double>.number("1 to 16 factors, each above 0, at most 8", example: 1) { $0 > 0 && $0 <= 8 }
    return ValueKind(
      type: "a list of numbers", range: factor.range, example: "[0.75, 1, 1.25]",
      parse: { item throws(Refusal) in
        guard let items = item.list else { throw Refusal(.type, item) }
        guard (1...16).contains(items.count) else { throw Refusal(.range, item) }
        var factors: [Double] = []
        for item in items {
          let value = try factor.parse(item)
          guard !factors.contains(value) else {
            throw Refusal(.other("the factor \(factor.format(value)) is given twice"), item)
          }
          factors.append(value)
        }
        return factors
      }, format: { "[" + $0.map(factor.format).joined(separator: ", ") + "]" })
  }
}

extension ValueKind where Value == ClosedRange<Double> {
  static var scaleRange: Self {
    let factor = ValueKind<Double>.number("above 0, at most 16, the lower first", example: 0.5) { $0 > 0 && $0 <= 16 }
    let pair = ValueKind<[Double]>.list(2, of: factor, type: "a list of two numbers", example: "[0.5, 2.0]")
    return ValueKind(
      type: pair.type, range: pair.range, example: pair.example,
      parse: { item throws(Refusal) in
        let factors = try pair.parse(item)
        guard factors[0] <= factors[1] else {
          throw Refusal(.other("\(pair.format(factors)) is no range; write the lower factor first"), item)
        }
        return factors[0]...factors[1]
      }, format: { pair.format([$0.lowerBound, $0.upperBound]) })
  }
}

extension ValueKind where Value == ClosedRange<Double> {
  /// `[0.25, 0.5]`, or `0.5` for the same.
  static var shares: Self {
    amounts("above 0, below 1, the lower first", example: (0.5, "[0.25, 0.5]")) { $0 > 0 && $0 < 1 }
  }
}

extension ValueKind where Value == ClosedRange<Double> {
  /// `[-10, 10]`, or `10` for the same.
  static var angles: Self {
    let angle = ValueKind<Double>.number("-180 to 180, the lower first", example: 10) { (-180...180).contains($0) }
    let pair = ValueKind<[Double]>.list(
      2, of: angle, type: "a number, or a list of two numbers", example: "[-10, 10]")
    return ValueKind(
      type: pair.type, range: pair.range, example: pair.example,
      parse: { item throws(Refusal) in
        guard item.list != nil else {
          let limit = abs(try angle.parse(item))
          return -limit...limit
        }
        let angles = try pair.parse(item)
        guard angles[0] <= angles[1] else {
          throw Refusal(.other("\(pair.format(angles)) is no range; write the lower angle first"), item)
        }
        return angles[0]...angles[1]
      }, format: { pair.format([$0.lowerBound, $0.upperBound]) })
  }
}

extension ValueKind where Value == Configuration.Augment.Color {
  static var jitter: Self {
    let range = "the first three 0 to 1, the last 0 to 0.5"
    let strength = ValueKind<Double>.number(range, example: 0.5) { (0...1).contains($0) }
    let hue = ValueKind<Double>.number(range, example: 0.25) { (0...0.5).contains($0) }
    let four = ValueKind<[Double]>.list(
      4, of: strength, type: "a list of four numbers", example: "[0.5, 0.5, 0.5, 0.25]")
    return ValueKind(
      type: four.type, range: range, example: four.example,
      parse: { item throws(Refusal) in
        let values = try four.parse(item)
        if let last = item.list?.last { _ = try hue.parse(last) }
        return Value(brightness: values[0], contrast: values[1], saturation: values[2], hue: values[3])
      }, format: { four.format([$0.brightness, $0.contrast, $0.saturation, $0.hue]) })
  }
}

extension ValueKind where Value == Configuration.Size {
  static func size(_ range: ClosedRange<Int>) -> Self {
    let side = ValueKind<Int>.integer(range, example: 96)
    let pair = ValueKind<[Int]>.list(
      2, of: side, type: "a whole number, or a list [height, width]", example: "[360, 480]")
    return ValueKind(
      type: pair.type, range: side.range, example: pair.example,
      parse: { item throws(Refusal) in
        guard item.list == nil else {
          let sides = try pair.parse(item)
          return Value(height: sides[0], width: sides[1])
        }
        let value = try side.parse(item)
        return Value(height: value, width: value)
      }, format: { pair.format([$0.height, $0.width]) })
  }
}

extension ValueKind where Value == Configuration.Model.Encoder {
  /// `resnet50`, or `50`.
  static var encoder: Self {
    var kind = choice()
    let parse = kind.parse
    kind.parse = { item throws(Refusal) in
      if let encoder = Value(rawValue: "resnet" + (item.plainText ?? "")) { return encoder }
      return try parse(item)
    }
    return kind
  }
}

extension Field where Owner == Configuration.Loss {
  /// `off`, or a section that turns mining on by being there.
  static var ohem: Field {
    let section = Field(
      section: "ohem", \.orStandard, start: { _ in Configuration.OHEM() })
    let switchReference = KeyReference(
      path: "ohem", type: "off, on, or a section of the keys below", unit: "", standard: "off", range: "",
      meaning: "Online hard-example mining in the supervised loss; `on` takes the defaults below.")
    return Field(
      name: "ohem", references: [switchReference] + section.references, checkKeys: section.checkKeys,
      read: { owner, parent, path throws(ConfigurationError) in
        guard let item = parent.mapping?["ohem"]?.value else { return }
        if let on = item.bool {
          owner.ohem = on ? Configuration.OHEM() : nil
        } else {
          try section.read(&owner, parent, path)
        }
      },
      write: { $0.ohem == nil ? ["ohem: off"] : section.write($0) })
  }
}

extension Configuration.Loss {
  fileprivate var orStandard: Configuration.OHEM {
    get { ohem ?? Configuration.OHEM() }
    set { ohem = newValue }
  }
}

extension Field where Owner == Configuration.U2PL {
  /// Reads one number for every class; the section starts with as many entries as there are classes. The count of a list
  /// is compared with them later.
  static var capacity: Field {
    let one = ValueKind<Int>.integer(1...100_000_000, example: 30_000)
    let type = "a whole number, a list with one for each class, or null"
    return Field(
      "capacity",
      KeyReference(
        path: "capacity", type: type, unit: "vectors", standard: "null", range: one.range,
        meaning: "Vectors the memory bank holds of each class; null means 50000 of class 0 and 30000 of any other."),
      read: { owner, item, path throws(ConfigurationError) in
        let classes = owner.capacity.count
        guard let items = item.list else {
          var single = ValueKind<Int?>.orNull(one)
          single.type = type
          guard let value = try single.read(item, path: path) else { return }
          owner.capacity = Array(repeating: value, count: classes)
          return
        }
        var numbers: [Int] = []
        for item in items { numbers.append(try one.read(item, path: path)) }
        owner.capacity = numbers
      },
      write: { "[" + $0.capacity.map(String.init).joined(separator: ", ") + "]" })
  }
}
