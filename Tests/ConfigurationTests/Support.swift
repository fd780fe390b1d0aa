import Configuration
import Foundation
import XCTest

/// The folder of the package.
let repository = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// The least a configuration can hold; tests append to it, so that their keys start at line 5.
let minimal = """
  data:
    kind: shapes
    labeled: 4
    unlabeled: 8
    classes: 3

  """

/// Reads `minimal` with `more` below it.
func read(_ more: String = "", _ overrides: String...) throws -> Configuration {
  try Configuration(yaml: minimal + more, source: "x.yaml", overrides: overrides)
}

/// The message of reading `yaml`, which must fail.
func message(
  yaml: String, _ overrides: [String] = [], file: StaticString = #filePath, line: UInt = #line
) -> String {
  do {
    let value = try Configuration(yaml: yaml, source: "x.yaml", overrides: overrides)
    XCTFail("was taken: \(value.yaml())", file: file, line: line)
  } catch {
    XCTAssertTrue(error is ConfigurationError, "\(type(of: error))", file: file, line: line)
    let text = "\(error)"
    XCTAssertFalse(text.contains("\n"), "not one line: \(text)", file: file, line: line)
    return text
  }
  return ""
}

/// Checks where an error is reported and that its message holds each of `parts`.
func check(
  _ yaml: String, _ overrides: String..., at place: String, says parts: String...,
  file: StaticString = #filePath, line: UInt = #line
) {
  let text = message(yaml: yaml, overrides, file: file, line: line)
  XCTAssertTrue(text.hasPrefix(place + ": "), "not at \(place): \(text)", file: file, line: line)
  for part in parts {
    XCTAssertTrue(text.contains(part), "lacks '\(part)': \(text)", file: file, line: line)
  }
}

/// A folder that is there for the length of `body`.
func withFolder<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("configuration-" + UUID().uuidString)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  for (name, text) in files {
    let url = folder.appendingPathComponent(name)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try text.write(to: url, atomically: true, encoding: .utf8)
  }
  return try body(folder.path)
}

/// The values of written YAML by their keys' paths, such as `augment.strong.blur`, in order.
func keyed(_ yaml: String) -> [(path: String, value: String)] {
  var sections: [Substring] = []
  return yaml.split(separator: "\n").compactMap { line in
    let depth = line.prefix { $0 == " " }.count / 2
    let parts = line.drop { $0 == " " }.split(separator: ":", maxSplits: 1)
    sections = sections.prefix(depth) + [parts[0]]
    guard parts.count == 2 else { return nil }
    return (sections.joined(separator: "."), parts[1].trimmingCharacters(in: .whitespaces))
  }
}
