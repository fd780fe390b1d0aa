import Files
import Foundation

/// Rows of a CSV file, as RFC 4180 has them.
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

/// Writes a text file whole or not at all.
///
/// - Throws: `FileError` naming the file.
func writeText(_ text: String, to path: String) throws {
  try FileSystem.replace(path) { _, descriptor in
    var text = text
    guard text.withUTF8({ FileSystem.writeAll(descriptor, UnsafeRawBufferPointer($0)) }) else {
      throw FileError.system("cannot be written", path)
    }
  }
}
