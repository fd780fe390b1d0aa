import Foundation
import TestSupport
import XCTest

/// Mutated command lines: each ends in time, with one of the exit codes there are, and a message where it is not 0.
final class CommandLineFuzzTests: CommandTestCase {
  /// Lines that are good but do nothing that lasts: no training begins, for the data they name is not there.
  private var lines: [[String]] {
    [
      ["inspect", "run/checkpoints/latest", "--verify", "--datasets"],
      ["logs", "run", "--rank", "0-1", "--step", "1..4", "--level", "info"],
      ["logs", "run", "--slowest"], ["logs", "run", "--merge"],
      ["report", "run", "-o", "made.html"], ["compare", "run", "--", "run"],
      ["weights", "show", "run/checkpoints/latest"],
      ["train", "--config", "gone.yaml", "--set", "run.seed=3", "--run", "other", "--resume", "latest", "--dry-run"],
      ["evaluate", "--checkpoint", "gone/latest", "--set", "data.root=gone"],
      ["predict", "--checkpoint", "gone.h5", "gone.png", "-o", "out"],
      ["watch", "run", "--once"], ["suggest", "--checkpoint", "gone.h5", "-n", "3", "-o", "next", "gone.png"],
      ["review", "--checkpoint", "gone.h5", "-o", "review"],
      ["data", "check", "gone.yaml", "--set", "data.root=gone"],
      ["data", "split", "--help"], ["bench", "checkpoint", "--writes", "0", "--help"], ["--version"],
      ["help", "train"],
    ]
  }

  private let words = [
    "--", "-", "--rank", "--step", "..", "-1", "0-", "9..1", "99999999999999999999", "0-999999999", "--level", "loud",
    "--set", "=",
    "run.seed=", "run.seed=1e99", "--set=data={", "--config", "/dev/null", "/dev/zero", "/", "", " ", "\n", "é💥",
    "--help", "-h", "--version", "-n",
    "--resume", "/proc/self/mem", "run/metrics.jsonl", "run/logs", String(repeating: "x", count: 5000), "--follow=",
    "--foll", "a=b=c",
  ]

  private func mutated(_ line: [String], _ draws: inout SeededDraws) -> [String] {
    var line = line
    for _ in 0..<Int.random(in: 1...2, using: &draws) {
      let at = Int.random(in: 0..<max(1, line.count), using: &draws)
      switch Int.random(in: 0..<6, using: &draws) {
      case 0: if !line.isEmpty { line.remove(at: at) }
      case 1: line.insert(words.randomElement(using: &draws)!, at: min(at, line.count))
      case 2: if !line.isEmpty { line[at] = words.randomElement(using: &draws)! }
      case 3: if !line.isEmpty { line.append(line[at]) }
      case 4: line.shuffle(using: &draws)
      default:
        // Bytes of one word; an argument holds no NUL, and has to be text to be passed on from here.
        guard !line.isEmpty else { continue }
        let bytes = Fuzz.mutated(Array(line[at].utf8), using: &draws).filter { $0 != 0 }
        line[at] = String(decoding: bytes, as: UTF8.self)
      }
    }
    return line
  }

  func testMutatedCommandLines() throws {
    try train("run")
    let fuzz = Fuzz("command lines")
    try fuzz.run(250, limit: 30) { number, draws in
      let line = mutated(lines[number % lines.count], &draws)
      // What waits for more lines would wait.
      guard !line.contains(where: { $0.hasPrefix("--f") && "--follow".hasPrefix($0) }) else { return .refused }
      let outcome = try Command(line, ranks: nil, in: directory).wait(limit: patience)
      let what = "input \(number), \(line): \(outcome.summary)"
      XCTAssertFalse(outcome.timedOut, what)
      XCTAssertTrue([0, 2, 64].contains(outcome.status), what)
      XCTAssertEqual(outcome.status == 0, outcome.errors.isEmpty || outcome.errors.contains("note"), what)
      for sign in ["Fatal error", "Stack dump", "Segmentation fault", "Error Domain"] {
        XCTAssertFalse(outcome.errors.contains(sign), what)
      }
      return outcome.status == 0 ? .taken : .refused
    }
    XCTAssertGreaterThan(fuzz.taken, 20)
    XCTAssertGreaterThan(fuzz.refused, 100)
  }
}
