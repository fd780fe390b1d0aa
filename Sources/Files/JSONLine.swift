import Foundation

/// One JSON object on one line, keys in the order they are added. Numbers are written so that they read back as the
/// same bits; infinities and NaN become null.
public struct JSONLine {
  private var members: [String] = []

  public init() {}

  public var text: String { "{" + members.joined(separator: ",") + "}" }

  public mutating func add(_ key: String, _ value: Int) { member(key, "\(value)") }
  public mutating func add(_ key: String, _ value: Double?) { member(key, Self.number(value)) }
  public mutating func add(_ key: String, _ value: String) { member(key, Self.quoted(value)) }
  public mutating func add(_ key: String, _ values: [Int]) {
    member(key, "[" + values.map(String.init).joined(separator: ",") + "]")
  }
  public mutating func add(_ key: String, _ values: [Double?]) {
    member(key, "[" + values.map(Self.number).joined(separator: ",") + "]")
  }
  public mutating func add(_ key: String, _ values: [String]) {
    member(key, "[" + values.map(Self.quoted).joined(separator: ",") + "]")
  }
  public mutating func add(_ key: String, _ object: JSONLine) { member(key, object.text) }
  public mutating func add(_ key: String, _ objects: [JSONLine]) {
    member(key, "[" + objects.map(\.text).joined(separator: ",") + "]")
  }

  private mutating func member(_ key: String, _ value: String) { members.append("\(Self.quoted(key)):\(value)") }

  private static func number(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "null" }
    return "\(value)"
  }

  private static func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case let s where s.value < 0x20: out += String(format: "\\u%04x", s.value)
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}
