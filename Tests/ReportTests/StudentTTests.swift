import XCTest

import Report

final class StudentTTests: XCTestCase {
  /// The two-sided 95 and 99 % quantiles of tables of the distribution (NIST/SEMATECH e-Handbook, 1.3.6.7.2).
  func testQuantilesOfTables() {
    let table: [(freedom: Int, t95: Double, t99: Double)] = [
      (1, 12.706, 63.657), (2, 4.303, 9.925), (3, 3.182, 5.841), (4, 2.776, 4.604), (9, 2.262, 3.250),
      (30, 2.042, 2.750),
      (100, 1.984, 2.626),
    ]
    for (freedom, t95, t99) in table {
      XCTAssertEqual(StudentT.quantile(twoSided: 0.95, freedom: freedom), t95, accuracy: 0.0005, "\(freedom)")
      XCTAssertEqual(StudentT.quantile(twoSided: 0.99, freedom: freedom), t99, accuracy: 0.0005, "\(freedom)")
    }
    // Of one degree it is Cauchy's distribution, of two it has a closed form.
    XCTAssertEqual(StudentT.quantile(twoSided: 0.5, freedom: 1), 1, accuracy: 1e-12)
    XCTAssertEqual(
      StudentT.quantile(twoSided: 0.95, freedom: 2), 0.95 * (2 / (1 - 0.95 * 0.95)).squareRoot(), accuracy: 1e-10)
    XCTAssertEqual(StudentT.quantile(twoSided: 0.95, freedom: 1_000_000), 1.959966, accuracy: 1e-5)
  }
}
