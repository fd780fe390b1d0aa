import Foundation
import TestSupport
import XCTest

import Monitor

/// What `watch` reads while others write it.
final class WatchFilesTests: DirectoryTestCase {
  func testProgress() throws {
    var progress = RunProgress()
    for line in [
      #"{"step":0,"epoch":0,"loss":2.5,"gamma":null,"reliable_share":null,"learning_rate":0.01,"seconds":0.5}"#,
      #"{"step":1,"epoch":0,"loss":1.5,"gamma":0.7,"reliable_share":0.8,"learning_rate":0.009,"seconds":0.5}"#,
      #"{"step":1,"epoch":0,"evaluation":{"network":"student","mean_iou":0.4}}"#, #"{"step":2,"lo"#, "nonsense",
      #"{"step":3,"epoch":1,"evaluation":{"network":"teacher","mean_iou":0.3}}"#,
    ] { progress.add(Array(line.utf8)) }
    XCTAssertEqual(progress.damaged, 2)
    XCTAssertEqual(progress.step, 1)
    XCTAssertEqual(progress.loss.last, 1.5)
    XCTAssertEqual(progress.gamma.columns(10), [nil, 0.7])
    XCTAssertEqual(progress.best?.meanIoU, 0.4)
    XCTAssertEqual(progress.evaluations.last?.network, "teacher")
  }

  /// Any number of steps takes as little memory, and keeps the means.
  func testCurvesOfLongRuns() {
    var curve = Curve()
    for step in 0..<100_000 { curve.add(step < 50_000 ? 1 : 3, step: step) }
    let columns = curve.columns(4).compactMap { $0 }
    XCTAssertEqual(columns.count, 4)
    XCTAssertEqual(columns[0], 1, accuracy: 1e-9)
    XCTAssertEqual(columns[3], 3, accuracy: 1e-9)
    XCTAssertLessThanOrEqual(curve.columns(1_000_000).count, 2048)
    curve.add(.nan, step: 100_000)
    XCTAssertEqual(curve.last, 3)
  }

  func testCharts() {
    XCTAssertEqual(CharacterChart.lines([0, 7, nil, 3.5], rows: 1), ["▁█ ▄"])
    XCTAssertEqual(CharacterChart.lines([0, 1], rows: 2), [" █", "▁█"])
    XCTAssertEqual(CharacterChart.lines([2, 2], rows: 1), ["▄▄"])
    XCTAssertEqual(CharacterChart.lines([], rows: 3), [])
    XCTAssertTrue(CharacterChart.lines([0, 1, 2], rows: 2, isPlain: true).joined().allSatisfy(\.isASCII))
  }
}
