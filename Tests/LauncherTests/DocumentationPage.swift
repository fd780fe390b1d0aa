import Foundation

/// A Markdown file of the repository, as tests read it.
struct DocumentationPage {
  /// Lines between two fences.
  struct Block {
    /// What follows the opening fence, such as `sh`; often empty.
    let language: String
    /// The HTML comment on the line above the fence, without its brackets, such as `run shorter`; empty if there is none.
    let mark: String
    /// The number in the page of the first line below the fence, from 1.
    let line: Int
    let lines: [String]

    /// The commands of a shell block, each with the number of its first line. Lines that end in `\` are joined with the
    /// next; comments at the end of a line are left out.
    var commands: [(line: Int, text: String)] {
      var found: [(line: Int, text: String)] = []
      var open: (line: Int, text: String)?
      for (offset, text) in lines.enumerated() {
        let isContinued = text.hasSuffix("\\")
        let piece = (isContinued ? String(text.dropLast()) : text).replacing(#/\s{2,}#.*$/#, with: "")
        let command = (open?.line ?? line + offset, (open?.text ?? "") + piece)
        open = isContinued ? command : nil
        if !isContinued, !command.1.trimmingCharacters(in: .whitespaces).isEmpty { found.append(command) }
      }
      return found
    }
  }

  /// The folder of the package.
  static let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Relative to the repository, such as `docs/guide.md`.
  let name: String
  /// All lines, code included.
  let lines: [String]
  let blocks: [Block]
  /// The lines outside code, with their numbers.
  let prose: [(line: Int, text: String)]

  init(_ name: String) throws {
    self.name = name
    lines = try String(contentsOf: Self.repository.appendingPathComponent(name), encoding: .utf8)
      .components(separatedBy: "\n")
    var blocks: [Block] = []
    var prose: [(line: Int, text: String)] = []
    var open: (language: String, mark: String, line: Int, lines: [String])?
    for (offset, text) in lines.enumerated() {
      let isFence = text.trimmingCharacters(in: .whitespaces).hasPrefix("```")
      if let block = open {
        if isFence {
          blocks.append(Block(language: block.language, mark: block.mark, line: block.line, lines: block.lines))
          open = nil
        } else {
          open?.lines.append(text)
        }
      } else if isFence {
        let mark = offset > 0 ? lines[offset - 1].wholeMatch(of: #/<!-- (.*) -->/#).map { String($0.1) } : nil
        let language = text.trimmingCharacters(in: .whitespaces).dropFirst(3)
        open = (String(language), mark ?? "", offset + 2, [])
      } else {
        prose.append((offset + 1, text))
      }
    }
    (self.blocks, self.prose) = (blocks, prose)
  }

  /// Every page of the repository that is read by people.
  static func all() throws -> [DocumentationPage] {
    let docs = try FileManager.default.contentsOfDirectory(atPath: repository.appendingPathComponent("docs").path)
    let names =
      ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Tests/Reference/README.md"]
      + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    return try names.map(DocumentationPage.init)
  }

  /// The fragments that links may name: headings as GitHub writes them.
  var anchors: Set<String> {
    var found: Set<String> = []
    for (_, text) in prose {
      guard let heading = text.wholeMatch(of: #/#+ (.*)/#) else { continue }
      let plain = heading.1.lowercased().replacing(#/\[([^\]]*)\]\([^)]*\)/#) { $0.1 }
      let kept = plain.unicodeScalars.filter {
        $0 == "-" || $0 == "_" || $0 == " " || CharacterSet.letters.contains($0) || $0.properties.numericType != nil
      }
      let anchor = String(String.UnicodeScalarView(kept)).replacing(" ", with: "-")
      var name = anchor
      var count = 0
      while !found.insert(name).inserted {
        count += 1
        name = "\(anchor)-\(count)"
      }
    }
    return found
  }

  /// The cells of each row of the table below a heading, or below the comment `<!-- TITLE -->`; without its first two lines.
  func table(below title: String) -> [[String]] {
    guard
      let start = lines.firstIndex(where: {
        $0 == "<!-- \(title) -->" || $0.wholeMatch(of: #/#+ .*/#) != nil && $0.hasSuffix(title)
      })
    else { return [] }
    let rest = lines[start...].drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }.dropFirst(2)
    return rest.map { row in
      // `\|` is no border.
      row.replacing(#"\|"#, with: "\u{1}").split(separator: "|", omittingEmptySubsequences: false).dropFirst()
        .dropLast()
        .map { $0.trimmingCharacters(in: .whitespaces).replacing("\u{1}", with: "|") }
    }
  }
}
