import Dataset
import XCTest

final class ListSplitTests: XCTestCase {
  /// Fractions are rounded up as those that the published splits are named after.
  func testNumbers() {
    let published = [
      (1464, ["1/16": 92, "1/8": 183, "1/4": 366, "1/2": 732, "1/1": 1464]),
      (10582, ["1/16": 662, "1/8": 1323, "1/4": 2646, "1/2": 5291]),
      (2975, ["1/16": 186, "1/8": 372, "1/4": 744, "1/2": 1488]),
    ]
    for (count, fractions) in published {
      for (text, number) in fractions {
        XCTAssertEqual(ListSplit.number(text, of: count), number, "\(text) of \(count)")
      }
    }
    XCTAssertEqual(ListSplit.number("7", of: 7), 7)
    for text in [
      "8", "0", "-1", "", "1/0", "2/1", "0/3", "1/2/3", "a", "1/", "/2", "0.5",
      "9223372036854775807/9223372036854775807",
    ] {
      XCTAssertNil(ListSplit.number(text, of: 7), text)
    }
    XCTAssertNil(ListSplit.number("1/2", of: 0))
  }

  func testAnOrderIsAPermutationAndItsSplitsAreNested() {
    let split = ListSplit(count: 100, seed: 3)
    XCTAssertEqual(split.order.sorted(), Array(0..<100))
    XCTAssertNotEqual(split.order, Array(0..<100))
    XCTAssertEqual(split.order, ListSplit(count: 100, seed: 3).order)
    XCTAssertNotEqual(split.order, ListSplit(count: 100, seed: 4).order)
    let (few, rest) = split.split(10), (more, _) = split.split(30)
    XCTAssertEqual(few, few.sorted())
    XCTAssertEqual(Set(few).union(rest).count, 100)
    XCTAssertTrue(Set(few).isSubset(of: more))
    XCTAssertEqual(few.count, 10)
    // The same draws on every machine.
    XCTAssertEqual(ListSplit(count: 8, seed: 0).order, firstOrder)
  }
  private let firstOrder = [1, 4, 5, 6, 3, 2, 0, 7]

  /// 90 images show class 0, of which 10 also class 1; 2 others show class 2, and 8 nothing.
  func testBalanced() {
    let shown: [Set<Int>] = (0..<100).map { $0 < 10 ? [0, 1] : $0 < 90 ? [0] : $0 < 92 ? [2] : [] }
    let split = ListSplit(classesShown: shown, seed: 5)
    XCTAssertEqual(split.order.sorted(), Array(0..<100))
    func count(_ number: Int) -> [Int] {
      let chosen = split.order.prefix(number)
      return (0..<3).map { c in chosen.count { shown[$0].contains(c) } }
    }
    // The rarest first, then in turn while there are any.
    XCTAssertEqual(count(1), [0, 0, 1])
    XCTAssertEqual(count(2), [1, 1, 1])
    XCTAssertEqual(count(4), [2, 2, 2])
    XCTAssertEqual(count(12), [10, 10, 2])
    XCTAssertEqual(Set(split.order.suffix(8)), Set(92..<100))
    XCTAssertNotEqual(split.order, ListSplit(classesShown: shown, seed: 6).order)
    XCTAssertEqual(ListSplit(classesShown: [[], []], seed: 0).order.count, 2)
    XCTAssertEqual(ListSplit(classesShown: [], seed: 0).order, [])
  }
}
