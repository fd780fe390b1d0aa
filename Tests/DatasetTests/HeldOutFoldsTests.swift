import Compute
import Dataset
import XCTest

final class HeldOutFoldsTests: XCTestCase {
  private let philox = Philox(seed: 3)

  /// 11 images, 400 steps: windows of 10, a fold in each of the first 36.
  private let folds = HeldOutFolds(count: 11, totalSteps: 400)

  func testFoldsTakeTurns() {
    XCTAssertEqual([folds.folds, folds.window, folds.windows], [4, 10, 36])
    XCTAssertEqual((0..<4).flatMap { folds.images(of: $0) }.sorted(), Array(0..<11))
    for step in 0..<400 {
      let held = (0..<11).filter { folds.isHeldOut($0, step: step) }
      XCTAssertEqual(held, step < 360 ? folds.images(of: step / 10 % 4) : [])
      XCTAssertEqual(folds.trained(step: step), (0..<11).filter { !held.contains($0) })
    }
  }

  /// In each window passes over what may be trained on, each image once a pass, in orders that differ; the same whoever asks.
  func testSamplerLeavesOutWhatIsHeldOut() {
    for shuffle in [false, true] {
      func sampler() -> GlobalSampler {
        GlobalSampler(count: 11, batch: 5, shuffle: shuffle, philox: philox, stream: .labeledOrder, folds: folds)
      }
      let one = sampler()
      var firstPasses = Set<[Int]>()
      for window in 0..<40 {
        let order = (window * 10..<window * 10 + 10).flatMap { step in
          (0..<5).map { one.index(step: step, slot: $0) }
        }
        let trained = folds.trained(step: window * 10)
        for pass in stride(from: 0, to: order.count - trained.count, by: trained.count) {
          XCTAssertEqual(order[pass..<pass + trained.count].sorted(), trained, "window \(window), at \(pass)")
        }
        firstPasses.insert(Array(order.prefix(trained.count)))
      }
      XCTAssertGreaterThan(firstPasses.count, shuffle ? 35 : 4)
      let other = sampler()
      for step in [399, 7, 123, 360] {
        for slot in [4, 0] { XCTAssertEqual(other.index(step: step, slot: slot), one.index(step: step, slot: slot)) }
      }
    }
  }

  func testBalanceLeavesOutWhatIsHeldOut() {
    let pixels: [[Int64]] = (0..<11).map { [1, $0 == 2 ? 1 : 0] }
    let balance = ClassBalance(share: 1, pixels: pixels, philox: philox, folds: folds)
    var drawn = 0
    for step in 0..<400 {
      for slot in 0..<4 {
        guard let (index, _) = balance.draw(step: step, slot: slot) else { continue }
        XCTAssertFalse(folds.isHeldOut(index, step: step))
        drawn += 1
      }
    }
    XCTAssertGreaterThan(drawn, 1200)
  }

  /// A run shorter than the windows there are.
  func testFewSteps() {
    let short = HeldOutFolds(count: 8, totalSteps: 10)
    XCTAssertEqual([short.window, short.windows], [1, 6])
    XCTAssertEqual(HeldOutFolds(count: 8, totalSteps: 1).windows, 0)
  }
}
