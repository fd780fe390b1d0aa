/// Which images of a list belong together: the slices of a volume, or the images whose names share a part, such as the number of a
/// patient.
public struct ImageGroups: Sendable {
  /// Of each image: the match of the expression; else the file of its volume, or its own name.
  public let names: [String]
  /// Of each image, counted from 0 in the order in which groups come first.
  public let numbers: [Int]
  public let count: Int
  /// Whether any group can have more than one image.
  public let areSet: Bool

  /// - Parameter expression: looked for in the names of images; its first parentheses are the group's name where it has any. nil
  ///   for volumes alone.
  /// - Throws: ``DatasetError`` naming the image in which it matches nothing.
  public init(_ set: any ImageSet, _ expression: String?) throws {
    let pattern = try expression.map(Pattern.init)
    names = try (0..<set.count).map { index in
      let name = set.identifier(index)
      guard let pattern else { return set.volume(index)?.file ?? name }
      do { return try pattern.name(of: name) } catch let problem as DatasetError {
        let place = set.origin(index).map { "\($0): " } ?? ""
        throw DatasetError(description: place + problem.description)
      }
    }
    (numbers, count) = Self.numbered(names)
    areSet = expression != nil || (0..<set.count).contains { set.volume($0) != nil }
  }

  /// The same for lines of a list whose images are not looked for. A line `FILE#14`, or a pair that begins so, is of the
  /// volume FILE.
  public init(lines: [String], _ expression: String?) throws {
    let pattern = try expression.map(Pattern.init)
    names = try lines.map { line in
      if let pattern { return try pattern.name(of: line) }
      // Of a pair, the image; a name may have blanks where a tab ends it, or the line.
      let first = line.split(separator: "\t").first.map(String.init) ?? line
      let word = line.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? line
      return (SliceName(word) ?? SliceName(first))?.file ?? line
    }
    (numbers, count) = Self.numbered(names)
    areSet = count < lines.count
  }

  /// The places of the images of each group.
  public var members: [[Int]] {
    var members = [[Int]](repeating: [], count: count)
    for (image, number) in numbers.enumerated() { members[number].append(image) }
    return members
  }

  /// The expression that finds a group in a name.
  private struct Pattern {
    private let expression: String
    private let regex: Regex<AnyRegexOutput>

    init(_ expression: String) throws {
      self.expression = expression
      do { regex = try Regex(expression) } catch {
        throw DatasetError(description: "'\(expression)' is not a valid regular expression: \(error)")
      }
    }

    func name(of text: String) throws -> String {
      guard let match = try? regex.firstMatch(in: text) else {
        throw DatasetError(
          description:
            "the expression of groups, '\(expression)', matches nothing in \(text); every image has to be in a group")
      }
      let part = match.output.dropFirst().first { $0.substring != nil } ?? match.output[0]
      return String(part.substring ?? "")
    }
  }

  private static func numbered(_ names: [String]) -> (numbers: [Int], count: Int) {
    var known: [String: Int] = [:]
    let numbers = names.map { name in
      let number = known[name] ?? known.count
      known[name] = number
      return number
    }
    return (numbers, known.count)
  }
}
