import XCTest

import Report

final class ComparisonTests: RunTestCase {
  private func arm(_ name: String, _ settings: String, _ results: [(seed: Int, meanIoU: Double)]) throws -> [RunReader]
  {
    try results.map {
      try RunReader.open(run("\(name)-\($0.seed)", seed: $0.seed, settings: settings, meanIoU: $0.meanIoU))
    }
  }

  /// Differences 1, 2 and 6 points: mean 3, deviation √7, half of the interval 4.30265 · √(7/3).
  func testPairedDifferences() throws {
    let a = try arm("a", "u2pl: {enabled: off}", [(0, 0.40), (1, 0.50), (2, 0.30), (7, 0.1)])
    let b = try arm("b", "", [(2, 0.36), (0, 0.41), (1, 0.52)])
    let comparison = try Comparison(a, b)
    XCTAssertEqual(comparison.seeds, ["0", "1", "2"])
    let row = try XCTUnwrap(comparison.rows.first { $0.name == "mIoU, last" })
    XCTAssertEqual(row.first.mean, 32.5, accuracy: 1e-9)
    XCTAssertEqual(row.first.count, 4)
    let difference = try XCTUnwrap(row.difference)
    XCTAssertEqual(difference.mean, 3, accuracy: 1e-9)
    XCTAssertEqual(try XCTUnwrap(difference.deviation), 7.0.squareRoot(), accuracy: 1e-9)
    XCTAssertEqual(try XCTUnwrap(difference.halfWidth), 4.302653 * (7.0 / 3).squareRoot(), accuracy: 1e-5)
    XCTAssertNotNil(comparison.rows.first { $0.name == "IoU sky" })
    XCTAssertNil(comparison.rows.first { $0.name == "IoU road" }, "no run has it")
    XCTAssertTrue(comparison.notes.contains { $0.contains("A alone has seed 7") }, "\(comparison.notes)")
    let line = try XCTUnwrap(comparison.lines.first { $0.hasPrefix("mIoU, last") })
    XCTAssertEqual(
      line.split(separator: " ", omittingEmptySubsequences: true).map(String.init),
      ["mIoU,", "last", "32.50", "(17.08)", "43.00", "(8.19)", "+3.00", "-3.57", "to", "+9.57"])
    // In a report the arms are found by themselves.
    XCTAssertTrue(ReportPage.html(a + b).contains("\"difference\":\"+3.00\",\"interval\":\"-3.57 to +9.57\""))
  }

  func testWhatCannotBePaired() throws {
    let a = try arm("a", "", [(0, 0.4)]), b = try arm("b", "", [(1, 0.4)])
    XCTAssertThrowsError(try Comparison(a, b)) { XCTAssertTrue("\($0)".contains("no seed in common"), "\($0)") }
    XCTAssertThrowsError(try Comparison(a + a, a)) { XCTAssertTrue("\($0)".contains("same seed"), "\($0)") }
    let one = try Comparison(a, a)
    XCTAssertEqual(one.rows.first?.difference?.mean, 0)
    XCTAssertNil(one.rows.first?.difference?.halfWidth)
    XCTAssertTrue(one.notes.contains { $0.hasPrefix("one seed says little") })
  }

  /// A report of runs of one arm has nothing to compare.
  func testOneArm() throws {
    let runs = try arm("a", "", [(0, 0.4), (1, 0.5)])
    XCTAssertEqual(runs[0].arm, runs[1].arm)
    XCTAssertTrue(ReportPage.html(runs).contains("\"comparisons\":[]"))
  }
}
