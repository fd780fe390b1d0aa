/// What is wrong with a configuration, where, and what to write instead.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable {
  /// The file, or the `--set` argument, at fault.
  public let source: String
  /// Line in the file, from 1; nil when the fault has no place in it.
  public let line: Int?
  /// Column in the line, from 1, in Unicode scalars.
  public let column: Int?
  /// One line, without the place.
  public let message: String

  /// Such as `configs/x.yaml:12:3: unknown key 'optimiser'; did you mean 'optimizer'?`
  public var description: String { "\(Place(source: source, line: line, column: column)): \(message)" }

  init(_ place: Place, _ message: String) {
    (source, line, column) = (place.source, place.line, place.column)
    self.message = message
  }
}

/// Where something was written.
struct Place: Sendable, CustomStringConvertible {
  var source: String
  var line: Int?
  var column: Int?

  var description: String {
    [source, line.map(String.init), column.map(String.init)].compactMap { $0 }.joined(separator: ":")
  }

  /// The file as a whole.
  var file: Place { Place(source: source) }
}
