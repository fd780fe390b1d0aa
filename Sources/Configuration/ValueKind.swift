/// How a key's value is written: its description for people, and the way from text to value and back.
struct ValueKind<Value> {
  /// As in "expected a number".
  var type: String
  /// As in "must be 0 to 1"; empty when every value of the type will do.
  var range = ""
  /// A value one could write.
  var example: String
  var parse: (Item) throws(Refusal) -> Value
  var format: (Value) -> String
}

/// Why a value was not taken.
struct Refusal: Error {
  enum Reason {
    /// Not of the kind's type.
    case type
    /// Of the type, but not one of its values.
    case range
    /// Anything else, in words.
    case other(String)
  }
  var reason: Reason
  /// The value, or the element of a list, at fault.
  var item: Item

  init(_ reason: Reason, _ item: Item) {
    self.reason = reason
    self.item = item
  }
}

// MARK: - Scalars

extension ValueKind where Value == Int {
  /// Whole numbers; `1e5` is one. No upper limit is above Int32's, so that products of two of them fit 64 bits.
  static func integer(_ range: ClosedRange<Int>, example: Int) -> Self {
    ValueKind(
      type: "a whole number", range: words(range), example: "\(example)",
      parse: { item throws(Refusal) in
        guard let digits = numeral(item), let number = Double(digits) else { throw Refusal(.type, item) }
        guard let value = Int(digits) ?? Int(exactly: number) else {
          throw Refusal(number.rounded() == number ? .range : .type, item)
        }
        guard range.contains(value) else { throw Refusal(.range, item) }
        return value
      }, format: { "\($0)" })
  }

  private static func words(_ range: ClosedRange<Int>) -> String {
    range.upperBound == Int.largest ? "at least \(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
  }
}

extension Int {
  /// Largest whole number any key takes.
  static let largest = Int(Int32.max)
}

extension ValueKind where Value == UInt64 {
  static var seed: Self {
    ValueKind(
      type: "a whole number", range: "0 to \(UInt64.max)", example: "42",
      parse: { item throws(Refusal) in
        guard let digits = numeral(item), let number = Double(digits) else { throw Refusal(.type, item) }
        guard let value = UInt64(digits) else {
          throw Refusal(number.rounded() == number ? .range : .type, item)
        }
        return value
      }, format: { "\($0)" })
  }
}

extension ValueKind where Value == Double {
  /// Finite numbers that `allows` holds for; `range` says so in words.
  static func number(_ range: String, example: Double, _ allows: @escaping (Double) -> Bool) -> Self {
    ValueKind(
      type: "a number", range: range, example: "\(example)",
      parse: { item throws(Refusal) in
        if let text = item.plainText?.lowercased(), [".inf", "+.inf", "-.inf", ".nan"].contains(text) {
          throw Refusal(.range, item)
        }
        guard let digits = numeral(item), let value = Double(digits) else { throw Refusal(.type, item) }
        guard value.isFinite, allows(value) else { throw Refusal(.range, item) }
        return value
      }, format: { "\($0)" })
  }
}

/// The text of a decimal number, as Swift reads it. YAML 1.1 takes `1e-4` for text; here it is a number.
private func numeral(_ item: Item) -> String? {
  guard let text = item.plainText, text.contains(where: \.isASCIIDigit),
    text.allSatisfy({ $0.isASCIIDigit || "+-.eE_".contains($0) })
  else { return nil }
  return text.replacing("_", with: "")
}

extension Character {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}

extension ValueKind where Value == Bool {
  static var toggle: Self {
    ValueKind(
      type: "on or off", example: "on",
      parse: { item throws(Refusal) in
        guard let value = item.bool else { throw Refusal(.type, item) }
        return value
      }, format: { $0 ? "on" : "off" })
  }
}

extension ValueKind where Value: RawRepresentable<String> & CaseIterable {
  /// One of an enumeration's names. `off` may be one of them, however YAML spells it.
  static func choice() -> Self {
    let names = Value.allCases.map(\.rawValue)
    return ValueKind(
      type: "one of \(names.joined(separator: ", "))", example: names.first ?? "",
      parse: { item throws(Refusal) in
        if item.isOff, let off = Value(rawValue: "off") { return off }
        guard let text = item.text else { throw Refusal(.type, item) }
        if let value = Value(rawValue: text) { return value }
        guard let near = nearest(to: text, among: names) else { throw Refusal(.type, item) }
        throw Refusal(.other("'\(clipped(text))' is not one of \(words(names)); did you mean '\(near)'?"), item)
      }, format: \.rawValue)
  }

  private static func words(_ names: [String]) -> String { names.joined(separator: ", ") }
}

extension ValueKind where Value == String {
  static func text(type: String = "text", example: String, emptyAllowed: Bool = false) -> Self {
    ValueKind(
      type: type, example: example,
      parse: { item throws(Refusal) in
        guard let text = item.text, !item.isNull, emptyAllowed || !text.isEmpty else { throw Refusal(.type, item) }
        guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
          throw Refusal(.other("the text holds a line break or another control character; write it on one line"), item)
        }
        return type.hasPrefix("path") ? expandingHome(text) : text
      }, format: quotedIfNeeded)
  }
}

// MARK: - Built on another kind

extension ValueKind {
  /// `kind`, or null.
  static func orNull<Wrapped>(_ kind: ValueKind<Wrapped>) -> Self where Value == Wrapped? {
    ValueKind(
      type: kind.type + ", or null", range: kind.range, example: kind.example,
      parse: { item throws(Refusal) in item.isNull ? nil : try kind.parse(item) },
      format: { $0.map(kind.format) ?? "null" })
  }

  /// `kind`, or `off`.
  static func orOff<Wrapped>(_ kind: ValueKind<Wrapped>) -> Self where Value == Wrapped? {
    ValueKind(
      type: kind.type + ", or off", range: kind.range, example: kind.example,
      parse: { item throws(Refusal) in item.isOff ? nil : try kind.parse(item) },
      format: { $0.map(kind.format) ?? "off" })
  }

  /// `kind`, or `auto`.
  static func orAuto<Wrapped>(_ kind: ValueKind<Wrapped>) -> Self where Value == Wrapped? {
    ValueKind(
      type: kind.type + ", or auto", range: kind.range, example: kind.example,
      parse: { item throws(Refusal) in item.text == "auto" ? nil : try kind.parse(item) },
      format: { $0.map(kind.format) ?? "auto" })
  }

  /// A list of any number of values of `kind`.
  static func list<Element>(of kind: ValueKind<Element>, example: String) -> Self where Value == [Element] {
    ValueKind(
      type: "a list of numbers", range: kind.range, example: example,
      parse: { item throws(Refusal) in
        guard let items = item.list else { throw Refusal(.type, item) }
        var values: [Element] = []
        for item in items { values.append(try kind.parse(item)) }
        return values
      }, format: { "[" + $0.map(kind.format).joined(separator: ", ") + "]" })
  }

  /// A list of `count` values of `kind`.
  static func list<Element>(
    _ count: Int, of kind: ValueKind<Element>, type: String, example: String
  ) -> Self where Value == [Element] {
    ValueKind(
      type: type, range: kind.range, example: example,
      parse: { item throws(Refusal) in
        guard let items = item.list, items.count == count else { throw Refusal(.type, item) }
        var values: [Element] = []
        for item in items { values.append(try kind.parse(item)) }
        return values
      }, format: { "[" + $0.map(kind.format).joined(separator: ", ") + "]" })
  }
}
