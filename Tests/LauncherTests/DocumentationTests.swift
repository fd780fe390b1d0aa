import Configuration
import Foundation
import XCTest

/// What the pages say of the program is what the program says of itself: links, options, keys, messages, exit codes, metrics.
final class DocumentationTests: CommandTestCase {
  func testNoLinkIsDead() throws {
    let pages = try DocumentationPage.all()
    let anchors = Dictionary(uniqueKeysWithValues: pages.map { ($0.name, $0.anchors) })
    var count = 0
    for page in pages {
      let folder = URL(fileURLWithPath: "/" + page.name).deletingLastPathComponent()
      for (line, text) in page.prose {
        for link in text.matches(of: #/\]\(([^)\s]+)\)/#).map({ String($0.1) }) where !link.contains("://") {
          let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
          let target =
            parts[0].isEmpty
            ? page.name : String(folder.appendingPathComponent(parts[0]).standardizedFileURL.path.dropFirst())
          let path = DocumentationPage.repository.appendingPathComponent(target).path
          XCTAssertTrue(FileManager.default.fileExists(atPath: path), "\(page.name):\(line): there is no \(target)")
          if parts.count > 1, let there = anchors[target] {
            XCTAssertTrue(there.contains(parts[1]), "\(page.name):\(line): \(target) has no heading #\(parts[1])")
          }
          count += 1
        }
      }
    }
    XCTAssertGreaterThan(count, 100)
  }

  /// Every page of docs is in its index.
  func testTheIndexIsComplete() throws {
    let index = try DocumentationPage("docs/README.md").lines.joined()
    for page in try DocumentationPage.all() where page.name.hasPrefix("docs/") && page.name != "docs/README.md" {
      XCTAssertTrue(index.contains("(\(page.name.dropFirst(5)))"), "docs/README.md does not name \(page.name)")
    }
  }

  /// Files of the repository, suites and tests that a page names exist.
  func testFilesAndTestsThatAreNamedExist() throws {
    let files = try Self.files(below: ["Sources", "Tests", "configs", "hostfiles", "docs", "Scripts", "Benchmarks"])
    let tests = try files.filter { $0.hasPrefix("Tests/") && $0.hasSuffix(".swift") }.map {
      try String(contentsOf: DocumentationPage.repository.appendingPathComponent($0), encoding: .utf8)
    }.joined()
    var count = 0
    for page in try DocumentationPage.all() where page.name != "CHANGELOG.md" {
      for (offset, text) in page.lines.enumerated() {
        for found in text.matches(
          of: #/(?:[A-Z]\w*|configs|hostfiles)\/[\w\/+.-]+\.(?:swift|py|yaml|json|sbatch|h|c)\b/#)
        {
          let name = String(found.0)
          // Files that the reader, or a run called NAME, makes.
          if name.hasSuffix("configs/mine.yaml") || name.hasPrefix("NAME/") { continue }
          let isThere = files.contains { $0 == name || $0.hasSuffix("/" + name) }
          XCTAssertTrue(isThere, "\(page.name):\(offset + 1): there is no \(name)")
          count += 1
        }
        for found in text.matches(of: #/\b([A-Z]\w*Tests)(?:\.(test\w+))?\b(?!\.swift)/#) {
          let suite = String(found.1)
          let isFolder = files.contains { $0.hasPrefix("Tests/\(suite)/") }
          XCTAssertTrue(
            isFolder || tests.contains("class \(suite)"), "\(page.name):\(offset + 1): there is no suite \(suite)")
          if let test = found.2 {
            XCTAssertTrue(tests.contains("func \(test)("), "\(page.name):\(offset + 1): there is no test \(test)")
          }
        }
      }
    }
    XCTAssertGreaterThan(count, 50)
  }

  /// Paths of all files below these folders, relative to the repository.
  private static func files(below folders: [String]) throws -> [String] {
    try folders.flatMap { folder in
      try FileManager.default.subpathsOfDirectory(
        atPath: DocumentationPage.repository.appendingPathComponent(folder).path
      )
      .map { "\(folder)/\($0)" }
    }
  }

  /// Commands, options and keys in the code of all pages exist, also where the command cannot be run in a test.
  func testCommandsOptionsAndKeysExist() throws {
    let keys = Set(Configuration.reference.map(\.path))
    let sections = Set(keys.flatMap { path in path.indices.filter { path[$0] == "." }.map { String(path[..<$0]) } })
    var helps: [String: String] = [:]
    var count = 0
    for page in try DocumentationPage.all() where page.name != "CHANGELOG.md" {
      for block in page.blocks {
        for (line, text) in block.commands {
          for key in text.matches(of: #/--set '?([a-z0-9_.]+)=/#).map({ String($0.1) }) {
            XCTAssertTrue(keys.contains(key) || sections.contains(key), "\(page.name):\(line): there is no key \(key)")
          }
          guard let call = text.firstMatch(of: #/^(?:\$ )?(?:mpirun .*?)?(?:\S*/)?u2pl ([a-z].*)/#) else { continue }
          // What follows `--` is the command that launch runs.
          for part in String(call.1).components(separatedBy: " -- train").enumerated().map({
            $0 > 0 ? "train\($1)" : $1
          }) {
            let words = part.split(separator: " ").map(String.init)
            let takesTwo = ["data", "weights", "bench"].contains(words[0]) && words.count > 1
            let command = Array(words.prefix(takesTwo ? 2 : 1))
            let name = command.joined(separator: " ")
            if helps[name] == nil { helps[name] = try run(command + ["--help"], limit: patience).output }
            XCTAssertTrue(
              helps[name]!.contains("USAGE: u2pl \(name)"), "\(page.name):\(line): there is no u2pl \(name)")
            let options = words.filter { $0.wholeMatch(of: #/--[a-z-]+(=.*)?/#) != nil }
            for option in options.map({ String($0.prefix { $0 != "=" }) }) {
              let isThere = helps[name]!.contains(option)
              XCTAssertTrue(isThere, "\(page.name):\(line): u2pl \(name) has no option \(option)")
            }
            count += 1
          }
        }
      }
    }
    XCTAssertGreaterThan(count, 60)
  }

  /// The table of exit codes has those that the program's help lists.
  func testExitCodesAreThoseOfTheHelp() throws {
    var codes: Set<String> = []
    for command in [[], ["launch"]] {
      let help = try run(command + ["--help"], limit: patience).output.replacing("\n", with: " ")
      let list = try XCTUnwrap(help.firstMatch(of: #/Exit codes: (.*?)USAGE/#), help).1
      for piece in list.replacing(#/\([^)]*\)/#, with: "").split(separator: ";") {
        for code in piece.matches(of: #/\b(\d+)\b/#) { codes.insert(String(code.1)) }
      }
    }
    let table = try DocumentationPage("docs/messages.md").table(below: "Exit codes").map { $0[0] }
    XCTAssertEqual(table, codes.sorted { Int($0)! < Int($1)! })
  }

  /// The words of every message in docs/messages.md are in the sources; `…` stands for what varies.
  func testMessagesAreThoseOfTheSources() throws {
    let sources = try Self.sources()
    let page = try DocumentationPage("docs/messages.md")
    var count = 0
    for (line, text) in page.prose where text.hasPrefix("| `") {
      let cell = text.components(separatedBy: " | ")[0]
      for quoted in cell.matches(of: #/`([^`]+)`/#) {
        for part in quoted.1.split(separator: "…") {
          let words = part.trimmingCharacters(in: .whitespaces)
          guard words.count > 3 else { continue }
          XCTAssertTrue(sources.contains(words), "\(page.name):\(line): no source has “\(words)”")
          count += 1
        }
      }
    }
    XCTAssertGreaterThan(count, 50)
  }

  /// The sources as one text, in which literals that are joined by `+`, or broken by `\`, are whole.
  private static func sources() throws -> String {
    let root = DocumentationPage.repository.appendingPathComponent("Sources")
    let files =
      FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
    return try files.filter { $0.pathExtension == "swift" }.map { file in
      try String(contentsOf: file, encoding: .utf8)
        .replacing(#/"\s*\n\s*\+ "/#, with: "").replacing(#/\\\n\s*/#, with: "")
    }.joined(separator: "\n")
  }

  /// docs/monitoring.md explains every field of metrics.jsonl, and none that is not there.
  func testMetricsAreThoseOfARun() throws {
    let settings = [
      "data={kind: shapes, size: 33, labeled: 8, unlabeled: 8, validation: 4, classes: 4}", "u2pl.threshold=class",
      "optimizer.clip_norm=10", "schedule={epochs: 4, steps_per_epoch: 10, supervised_epochs: auto}",
    ]
    try train("run", settings)
    // Only where no labeled pixel of a step counts.
    var fields: Set<String> = ["labeled_pixels"]
    for line in try lines(of: "run/metrics.jsonl") {
      for (name, value) in try json(line) {
        let inner = (value as? [String: Any])?.keys.map { "\(name).\($0)" }
        fields.formUnion(inner ?? [name])
      }
    }
    let page = try DocumentationPage("docs/monitoring.md")
    let rows = page.table(below: "metrics of a step") + page.table(below: "metrics of an evaluation")
    let documented = Set(rows.flatMap { $0[0].matches(of: #/`([a-z_.]+)`/#).map { String($0.1) } })
    XCTAssertEqual(documented.sorted(), fields.sorted())
  }

  /// The ten keys at the head of docs/config.md have the defaults of the program.
  func testTheTenKeysHaveTheirDefaults() throws {
    let standards = Dictionary(uniqueKeysWithValues: Configuration.reference.map { ($0.path, $0.standard) })
    let rows = try DocumentationPage("docs/config.md").table(below: "ten keys")
    XCTAssertEqual(rows.count, 10)
    for row in rows {
      let keys = row[0].components(separatedBy: ", ").map { $0.replacing("`", with: "") }
      let values = row[1].contains("[") ? [row[1]] : row[1].components(separatedBy: ", ")
      XCTAssertEqual(keys.count, values.count, "\(row)")
      for (key, value) in zip(keys, values.map { $0.replacing("`", with: "") }) {
        let standard = standards[key]?.replacing(#/^required,.*/#, with: "required")
        XCTAssertEqual(value, standard, key)
      }
    }
  }
}
