import XCTest

import Report

final class CurveTableTests: XCTestCase {
  /// Whatever the number of records: few rows, no record lost, and every extreme still there.
  func testRowsAreFewAndNothingIsLost() throws {
    for count in [1, 7, 8, 9, 63, 1000, 12_345] {
      var table = CurveTable(limit: 8)
      var sum = 0.0
      for step in 0..<count {
        let value = Double((step * 7919) % 1009)
        sum += value
        table.begin(step: step, seconds: Double(step) / 2)
        table.set("value", step == 3 ? nil : value)
        if step == 3 { sum -= value }
      }
      XCTAssertLessThanOrEqual(table.rows, 8)
      XCTAssertGreaterThan(table.rows * table.recordsPerRow, count - 1)
      XCTAssertEqual(table.steps.last, count - 1)
      XCTAssertEqual(table.seconds.last, Double(count - 1) / 2)
      XCTAssertEqual(table.steps, table.steps.sorted())
      let column = try XCTUnwrap(table.column("value"))
      XCTAssertEqual(column.count.reduce(0) { $0 + Int($1) }, count > 3 ? count - 1 : count)
      XCTAssertEqual(column.sum.reduce(0, +), sum)
      let values = (0..<count).filter { $0 != 3 }.map { Float(($0 * 7919) % 1009) }
      XCTAssertEqual(column.least.min(), values.min())
      XCTAssertEqual(column.greatest.max(), values.max())
    }
  }

  /// A column that begins late, or ends early, has no value in the other rows.
  func testColumnsWithGaps() throws {
    var table = CurveTable(limit: 4)
    for step in 0..<10 {
      table.begin(step: step, seconds: 0)
      table.set("early", step < 4 ? 1 : nil)
      table.set("late", step >= 8 ? 5 : nil)
      table.set("never", .nan)
    }
    let early = try XCTUnwrap(table.column("early")).means, late = try XCTUnwrap(table.column("late")).means
    XCTAssertEqual(early.count, table.rows)
    XCTAssertEqual(early.first, 1)
    XCTAssertEqual(early.last?.isNaN, true)
    XCTAssertEqual(late.first?.isNaN, true)
    XCTAssertEqual(late.last, 5)
    XCTAssertNil(table.column("never"))
  }
}
