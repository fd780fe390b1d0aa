import Foundation
import Trainer
import XCTest

final class ReportingTests: XCTestCase {
  /// Over any run, pictures take no more than their share of its time, but for those of the last evaluation.
  func testPicturesTakeTheirShareOfTime() {
    for (every, cost) in [(10.0, 0.5), (60.0, 0.1), (1.0, 0.001), (3.0, 2.0)] {
      var budget = PictureBudget(now: 0)
      var made = 0
      for now in stride(from: every, to: 10_000, by: every) where budget.allows(estimate: cost, isLast: false, now: now)
      {
        budget.spend(cost)
        made += 1
        XCTAssertLessThanOrEqual(budget.spent, PictureBudget.share * now)
      }
      XCTAssertEqual(Double(made), min(10_000 / every - 1, PictureBudget.share * 10_000 / cost), accuracy: 1.5)
      XCTAssertTrue(budget.allows(estimate: 1e9, isLast: true, now: 10_000))
    }
  }

  /// The order of the worst is one of shares, whatever the sizes, and the same on every rank.
  func testTheWorstComeFirst() {
    func entry(_ image: Int, _ errors: Int64, _ labeled: Int64) -> WorstImages.Entry {
      WorstImages.Entry(image: image, errors: errors, labeled: labeled, logits: nil)
    }
    let huge = Int64.max / 2
    let entries = [
      entry(4, 1, 2), entry(1, 5, 10), entry(2, huge, huge), entry(3, 0, 7), entry(0, 3, 4), entry(5, huge - 1, huge),
    ]
    XCTAssertEqual(entries.sorted(by: WorstImages.Entry.isWorse).map(\.image), [2, 5, 0, 1, 4, 3])
  }

  /// Work that fails is told of, work that piles up is left out, and nothing waits for a disk that hangs.
  func testABackgroundWriter() {
    struct Full: Error, CustomStringConvertible { let description = "no room" }
    let writer = BackgroundWriter()
    let gate = DispatchSemaphore(value: 0), done = DispatchSemaphore(value: 0)
    writer.write("slow") { gate.wait() }
    for _ in 0..<1000 { writer.write("report", newest: true) { done.signal() } }
    for _ in 0..<1000 { writer.write("events") { throw Full() } }
    XCTAssertFalse(writer.wait(seconds: 0.05))
    XCTAssertEqual(writer.drainErrors(), [])
    gate.signal()
    XCTAssertTrue(writer.wait(seconds: 10))
    XCTAssertEqual(writer.drainErrors(), [String](repeating: "no room", count: 64))
    XCTAssertEqual(writer.drainErrors(), [])
    var made = 0
    while done.wait(timeout: .now()) == .success { made += 1 }
    XCTAssertEqual(made, 2)
  }
}
