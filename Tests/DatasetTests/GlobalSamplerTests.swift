import Compute
import Dataset
import XCTest

final class GlobalSamplerTests: XCTestCase {
  private let philox = Philox(seed: 42)

  func testWithoutShufflingSlotsFollowTheListRoundAndRound() {
    let sampler = GlobalSampler(count: 5, batch: 3, shuffle: false, philox: philox, stream: .labeledOrder)
    let held = (0..<4).flatMap { step in (0..<3).map { sampler.index(step: step, slot: $0) } }
    XCTAssertEqual(held, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
  }

  func testEachPassIsAPermutationOfItsOwn() {
    let sampler = GlobalSampler(count: 23, batch: 4, shuffle: true, philox: philox, stream: .labeledOrder)
    let sequence = (0..<23).flatMap { step in (0..<4).map { sampler.index(step: step, slot: $0) } }
    let passes = (0..<4).map { Array(sequence[$0 * 23..<($0 + 1) * 23]) }
    for pass in passes { XCTAssertEqual(pass.sorted(), Array(0..<23)) }
    XCTAssertEqual(Set(passes).count, 4)
    XCTAssertFalse(passes.contains(Array(0..<23)))
  }

  /// The order is what the documentation says, worked out another way: positions by their draws.
  func testOrderIsThatOfTheDraws() {
    let sampler = GlobalSampler(count: 50, batch: 50, shuffle: true, philox: philox, stream: .unlabeledOrder)
    for pass in [0, 3, 1] {
      let draws = (0..<50).map {
        philox.words(index: UInt32($0), item: 0, step: UInt32(pass), stream: .unlabeledOrder)[0]
      }
      let order = (0..<50).map { sampler.index(step: pass, slot: $0) }
      XCTAssertEqual(order.map { draws[$0] }, draws.sorted())
    }
  }

  func testListsAreShuffledIndependently() {
    func order(_ stream: RandomStream, _ seed: UInt64) -> [Int] {
      let sampler = GlobalSampler(count: 30, batch: 30, shuffle: true, philox: Philox(seed: seed), stream: stream)
      return (0..<30).map { sampler.index(step: 0, slot: $0) }
    }
    XCTAssertNotEqual(order(.labeledOrder, 1), order(.unlabeledOrder, 1))
    XCTAssertNotEqual(order(.labeledOrder, 1), order(.labeledOrder, 2))
    XCTAssertEqual(order(.labeledOrder, 1), order(.labeledOrder, 1))
  }

  /// A step may be asked for in any order, from any slot: resumed runs and other ranks get the same answer.
  func testAnswersDoNotDependOnWhatWasAskedBefore() {
    let forward = GlobalSampler(count: 7, batch: 16, shuffle: true, philox: philox, stream: .labeledOrder)
    let first = (0..<6).map { step in (0..<16).map { forward.index(step: step, slot: $0) } }
    for step in (0..<6).reversed() {
      let fresh = GlobalSampler(count: 7, batch: 16, shuffle: true, philox: philox, stream: .labeledOrder)
      XCTAssertEqual((0..<16).reversed().map { fresh.index(step: step, slot: $0) }.reversed(), first[step])
      XCTAssertEqual((0..<16).reversed().map { forward.index(step: step, slot: $0) }.reversed(), first[step])
    }
  }
}
