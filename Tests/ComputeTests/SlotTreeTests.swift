import Compute
import XCTest

/// The order of a reduction, made visible by combining text.
final class SlotTreeTests: XCTestCase {
  /// The reduction of a node written out with brackets; a slot is shown by its kind and number in the whole batch.
  private func written(_ tree: SlotTree, _ kind: SlotKind = .all, firstLabeled: Int = 0, firstUnlabeled: Int = 0)
    -> String?
  {
    tree.reduce(kind) { slot in
      switch kind {
      case .all:
        slot < tree.labeled ? "l\(firstLabeled + slot)" : "u\(firstUnlabeled + slot - tree.labeled)"
      case .labeled: "l\(firstLabeled + slot)"
      case .unlabeled: "u\(firstUnlabeled + slot)"
      }
    } combine: {
      "(\($0) \($1))"
    }
  }

  func testOrderOfTheReduction() {
    let expected: [(labeled: Int, unlabeled: Int, order: String)] = [
      (1, 0, "l0"),
      (0, 1, "u0"),
      (1, 1, "(l0 u0)"),
      (2, 0, "(l0 l1)"),
      (3, 0, "((l0 l1) l2)"),
      (2, 2, "((l0 u0) (l1 u1))"),
      (2, 1, "((l0 l1) u0)"),
      (4, 2, "(((l0 l1) u0) ((l2 l3) u1))"),
      (2, 6, "((((l0 u0) u1) u2) (((l1 u3) u4) u5))"),
      (0, 4, "((u0 u1) (u2 u3))"),
      (4, 4, "(((l0 u0) (l1 u1)) ((l2 u2) (l3 u3)))"),
    ]
    for (labeled, unlabeled, order) in expected {
      XCTAssertEqual(written(SlotTree(labeled: labeled, unlabeled: unlabeled)), order)
    }
  }

  func testAKindLeftOutLeavesTheShape() {
    let tree = SlotTree(labeled: 4, unlabeled: 2)
    XCTAssertEqual(written(tree, .labeled), "((l0 l1) (l2 l3))")
    XCTAssertEqual(written(tree, .unlabeled), "(u0 u1)")
    // Of three labeled slots a leaf is made, also where the two unlabeled ones could be halved.
    XCTAssertEqual(written(SlotTree(labeled: 3, unlabeled: 2), .unlabeled), "(u0 u1)")
    XCTAssertEqual(written(SlotTree(labeled: 6, unlabeled: 2), .labeled), "(((l0 l1) l2) ((l3 l4) l5))")
    XCTAssertNil(written(SlotTree(labeled: 2, unlabeled: 0), .unlabeled))
    XCTAssertNil(written(SlotTree(labeled: 0, unlabeled: 3), .labeled))
  }

  /// What 2, 4 or 8 ranks reduce by themselves and combine by distance doubling is the tree of one rank.
  func testRanksComposeToTheSameTree() {
    var compared = 0
    for (labeled, unlabeled) in [(8, 8), (8, 16), (16, 8), (2, 2), (2, 6), (4, 12), (24, 8), (8, 0), (0, 8), (8, 40)] {
      for kind in [SlotKind.all, .labeled, .unlabeled] {
        let whole = written(SlotTree(labeled: labeled, unlabeled: unlabeled), kind)
        for ranks in [2, 4, 8] where labeled % ranks == 0 && unlabeled % ranks == 0 {
          let (l, u) = (labeled / ranks, unlabeled / ranks)
          var nodes = (0..<ranks).map {
            written(SlotTree(labeled: l, unlabeled: u), kind, firstLabeled: $0 * l, firstUnlabeled: $0 * u)
          }
          while nodes.count > 1 {
            nodes = stride(from: 0, to: nodes.count, by: 2).map { i in
              guard let left = nodes[i], let right = nodes[i + 1] else { return nil }
              return "(\(left) \(right))"
            }
          }
          XCTAssertEqual(nodes[0], whole, "\(labeled) + \(unlabeled) slots, \(kind), on \(ranks) ranks")
          compared += 1
        }
      }
    }
    XCTAssertGreaterThan(compared, 60)
  }

  func testErrorsOfALeafPass() {
    struct Failure: Error {}
    let tree = SlotTree(labeled: 2, unlabeled: 2)
    XCTAssertThrowsError(
      try tree.reduce(.all) { slot -> Int in
        if slot == 3 { throw Failure() }
        return slot
      } combine: {
        $0 + $1
      })
  }
}
