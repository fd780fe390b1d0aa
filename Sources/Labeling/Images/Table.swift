import Foundation

/// Rows of a CSV file, quoted as in RFC 4180.
package struct Table {
  private var lines: [String]

  package init(_ columns: [String]) { lines = [Self.line(columns)] }

  package mutating func add(_ row: [String]) { lines.append(Self.line(row)) }

  package var text: String { lines.joined(separator: "\n") + "\n" }

  private static func line(_ fields: [String]) -> String { fields.map(field).joined(separator: ",") }

  private static func field(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }
}
