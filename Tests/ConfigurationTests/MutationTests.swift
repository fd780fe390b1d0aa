import Configuration
import Foundation
import TestSupport
import XCTest

/// Damaged configurations are read or refused, never a crash; a crash ends the test process.
final class MutationTests: SeededTestCase {
  private let fragments = [
    "on", "off", "null", "~", "-1", "0", "1e309", "-1e309", ".nan", ".inf", "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616", "1e-400", "0x7fffffff", "1:30", "[", "]", "{", "}", "&a", "*a", "!!int", "!!binary", "|",
    ">",
    "'", "\"", "\\", "#", ":", ": ", "- ", "? ", "<<", "%", "@", "`", ",", "\t", "\n", "\r", "\u{0}", "\u{85}",
    "\u{FEFF}",
    "\u{FFFD}", "ü", "💥", "e\u{301}", "---\n", "...\n", "[]", "{}", "[1, 2]", "[[[[1]]]]", "{a: {b: 1}}", "\"\\x00\"",
    "\"\\uD800\"", "_", "1_0", "+", "2147483648", "4294967296", "0.1.2", "1e", "e1", "  ", "data:", "extend:", "mix:",
  ]

  private func mutated(_ text: String, _ draws: inout SeededDraws) -> String {
    var scalars = Array(text.unicodeScalars)
    for _ in 0..<Int.random(in: 1...3, using: &draws) {
      let at = Int.random(in: 0...scalars.count, using: &draws)
      let end = min(scalars.count, at + Int.random(in: 0...12, using: &draws))
      let fragment = fragments.randomElement(using: &draws) ?? ""
      switch Int.random(in: 0..<6, using: &draws) {
      case 0: scalars.removeSubrange(at..<end)
      case 1: scalars.insert(contentsOf: fragment.unicodeScalars, at: at)
      case 2: scalars.replaceSubrange(at..<end, with: fragment.unicodeScalars)
      case 3: scalars.insert(contentsOf: scalars[at..<end], at: Int.random(in: 0...scalars.count, using: &draws))
      case 4: scalars.removeLast(scalars.count - at)
      default:
        // A whole value, which parsers are most likely to let through to the reader.
        guard let colon = scalars[at...].firstIndex(of: ":") else { continue }
        let stop = scalars[colon...].firstIndex { ",}\n".unicodeScalars.contains($0) } ?? scalars.count
        scalars.replaceSubrange((colon + 1)..<stop, with: (" " + fragment).unicodeScalars)
      }
    }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    return String(result)
  }

  func testDamagedFilesAndOverrides() throws {
    let count = Int(ProcessInfo.processInfo.environment["U2PL_MUTATIONS"] ?? "") ?? 3000
    let voc = try String(contentsOf: repository.appendingPathComponent("configs/voc.yaml"), encoding: .utf8)
      .replacing("kind: voc", with: "kind: voc\n  root: /d")
    let seeds = [
      minimal + "u2pl: {capacity: [1, 2, 3], low_rank: 1}\naugment: {scale: [0.5, 2], crop: [8, 9]}\n",
      try read("loss: {ohem: on}", "data.classes=[a, b, c]").yaml(), voc,
    ]
    let overrides = [
      "u2pl.capacity=[1, 2, 3]", "augment.flip=on", "data.root=/d", "run={seed: 1}", "loss.ohem.min_kept=3",
    ]
    var taken = 0
    for number in 0..<count {
      var draws = SeededDraws(number)
      let yaml = mutated(seeds[number % seeds.count], &draws)
      let argument = mutated(overrides.randomElement(using: &draws) ?? "", &draws)
      do {
        let value = try Configuration(yaml: yaml, source: "x.yaml", overrides: number % 2 == 0 ? [] : [argument])
        taken += 1
        let again = try Configuration(yaml: value.yaml(), source: "again.yaml")
        XCTAssertEqual(again, value, "mutation \(number)")
      } catch let error as ConfigurationError {
        XCTAssertFalse(error.description.contains("\n"), "mutation \(number): \(error)")
        XCTAssertFalse(error.source == "again.yaml", "mutation \(number): \(error)")
      }
    }
    // Neither outcome may become the only one, or nothing is tested.
    XCTAssertGreaterThan(taken, count / 50)
    XCTAssertLessThan(taken, count * 49 / 50)
  }

  /// Files whose bytes are damaged: what is no text, cut off, or overwritten. What is taken reads the same again once written.
  func testDamagedBytes() throws {
    let seed = try read("loss: {ohem: on}\naugment: {scale: [0.5, 2], crop: [8, 9]}", "data.classes=[a, b, ç]").yaml()
    let pieces: [[UInt8]] = [
      [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0], [0xEF, 0xBB, 0xBF], Array("\t".utf8), Array("&a *a".utf8),
      Array("[".utf8),
      Array(String(repeating: "[", count: 3000).utf8), Array(String(repeating: "{a: ", count: 3000).utf8),
      Array("\na: &a [*a, *a]".utf8), Array("data: {}\n".utf8), Array(String(repeating: "9", count: 400).utf8),
    ]
    let fuzz = Fuzz("configuration files")
    try withFolder([:]) { folder in
      try fuzz.run(2000) { number, draws in
        let bytes = Fuzz.mutated(Array(seed.utf8), pieces, using: &draws)
        try Data(bytes).write(to: URL(fileURLWithPath: folder + "/x.yaml"))
        do {
          let value = try Configuration.load(path: folder + "/x.yaml", overrides: [])
          XCTAssertNotNil(String(validating: bytes, as: UTF8.self), "input \(number) is not UTF-8, and taken")
          XCTAssertEqual(try Configuration(yaml: value.yaml(), source: "again.yaml"), value, "input \(number)")
          return .taken
        } catch let error as ConfigurationError {
          XCTAssertTrue(error.description.hasPrefix(folder + "/x.yaml"), "input \(number): \(error)")
          return .refused
        }
      }
    }
    XCTAssertGreaterThan(fuzz.taken, 40)
    XCTAssertGreaterThan(fuzz.refused, 400)
  }
}
