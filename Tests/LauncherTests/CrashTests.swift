// Alone: kills at random moments of a run that takes a minute.
import Foundation
import XCTest

/// `Scripts/chaos`, as `make chaos` runs it, with fewer kills: ranks, rank 0 while it writes a checkpoint, mpirun, its
/// daemons, and the launch are killed at random moments, and the last checkpoint is that of a run that nobody has disturbed.
final class CrashTests: CommandTestCase {
  private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../Scripts/chaos").standardizedFileURL.path
  private let kills = 21

  func testTwentyOneKills() throws {
    let python = "/usr/bin/python3"
    guard FileManager.default.isExecutableFile(atPath: python) else {
      throw XCTSkip("\(python) is missing, nothing is tested; install python3")
    }
    let line = [
      python, Self.script, "--kills", "\(kills)", "--directory", path("runs"), "--program", try Command.program(),
    ]
    let outcome = try Command(line: line, in: directory).wait(limit: 400)
    XCTAssertFalse(outcome.timedOut, outcome.summary)
    XCTAssertEqual(outcome.status, 0, outcome.summary)

    let rows = outcome.output.split(separator: "\n").filter { $0.wholeMatch(of: #/ +\d+ +\d+  .* (ok|NOT ok)/#) != nil }
    XCTAssertEqual(rows.count, kills, outcome.summary)
    XCTAssertTrue(rows.allSatisfy { $0.hasSuffix("  ok") }, outcome.summary)
    let namespaces = !outcome.output.contains("SKIPPED")
    for kind in ["rank 0 ", "rank 1 ", "rank 0, writing", "all ranks", "mpirun", "launch"]
      + (namespaces ? ["orted"] : [])
    {
      XCTAssertTrue(rows.contains { $0.contains("  \(kind)") }, "nobody has killed \(kind): \(outcome.output)")
    }
    // At least one of the kills during a write has left a part of a checkpoint.
    XCTAssertTrue(
      outcome.output.contains(#/rank 0, writing: .*; [1-9]\d* of the checkpoints were cut short/#), outcome.summary)
    // Not by the script's word alone.
    let names = try FileManager.default.contentsOfDirectory(atPath: path("runs/whole/checkpoints"))
    let last = try XCTUnwrap(names.filter { $0.hasPrefix("step-") }.max())
    XCTAssertTrue(
      FileManager.default.contentsEqual(
        atPath: path("runs/whole/checkpoints/\(last)"), andPath: path("runs/chaos/checkpoints/\(last)")))
    for run in ["whole", "chaos"] {
      XCTAssertEqual(
        try FileManager.default.destinationOfSymbolicLink(atPath: path("runs/\(run)/checkpoints/latest")), last, run)
    }
    XCTAssertEqual(try metrics("runs/whole"), try metrics("runs/chaos"))
    if !namespaces {
      let reason = outcome.output.split(separator: "\n").first { $0.contains("SKIPPED") } ?? ""
      throw XCTSkip("\(reason.replacingOccurrences(of: "SKIPPED: ", with: "")); the rest has passed")
    }
  }

  func testItSaysWhatItDoes() throws {
    let help = try Command(line: [Self.script, "--help"], in: directory).wait(limit: patience)
    XCTAssertTrue(help.output.contains("Scripts/chaos [--kills N]"), help.summary)
    let wrong = try Command(line: [Self.script, "--kills", "0"], in: directory).wait(limit: patience)
    XCTAssertEqual(wrong.status, 2, wrong.summary)
  }
}
