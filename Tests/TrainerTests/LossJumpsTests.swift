import Trainer
import XCTest

/// The warning about a supervised loss that jumps.
final class LossJumpsTests: XCTestCase {
  /// The steps at which a run with these losses is warned of.
  private func warned(_ losses: [Double], classes: Int = 7) -> [Int] {
    var jumps = LossJumps(classes: classes)
    return losses.enumerated().compactMap { step, loss in jumps.warning(loss, step: step) == nil ? nil : step }
  }

  func testWarnsOnceOfAJump() {
    let first = [Double](repeating: 4, count: 10)
    XCTAssertEqual(warned(first + [5, 39, 41, 256, 8]), [12])
    XCTAssertEqual(warned(first + [39, 12, 3, 0.1]), [])
    // The first steps are what others are compared with, whatever they are.
    XCTAssertEqual(warned([1, 300] + [Double](repeating: 1, count: 20)), [])
  }

  /// Where a run goes on, its loss is small, and a step with a hard image is no jump.
  func testSmallLossesMayVary() {
    XCTAssertEqual(warned([Double](repeating: 0.05, count: 10) + [1, 3, 19]), [])
    XCTAssertEqual(warned([Double](repeating: 0.05, count: 10) + [20]), [10])
  }

  func testItSaysWhatToDo() {
    var jumps = LossJumps(classes: 2)
    for step in 0..<10 { XCTAssertNil(jumps.warning(0.5, step: step)) }
    let words = jumps.warning(100, step: 10) ?? ""
    XCTAssertTrue(words.hasPrefix("step 10: L_s is 100, and was 0.5 at the start"), words)
    XCTAssertTrue(words.contains("optimizer.learning_rate"), words)
  }
}
