import Configuration
import XCTest

/// `semantics: published`, as a word and by its keys.
final class SemanticsKeysTests: XCTestCase {
  private let rows = [
    "rectangle", "padding", "percentiles", "unreliable", "anchors", "labeled_negatives", "unlabeled_negatives",
    "new_keys",
    "anchor_class", "contrast_mean", "supervised_teacher", "teacher_copy",
  ]

  func testAWordForAllRows() throws {
    XCTAssertEqual(try read().semantics.publishedRows, [])
    XCTAssertEqual(try read("semantics: equations").semantics, .init())
    let published = try read("semantics: published").semantics
    XCTAssertEqual(published.publishedRows, rows)
    XCTAssertFalse(published.anchorEMA)
    XCTAssertEqual(try read("", "semantics=published").semantics, published)
    XCTAssertEqual(try read("semantics: {padding: published}", "semantics=published").semantics, published)
  }

  func testKeysOverTheWord() throws {
    let without = rows.filter { $0 != "padding" }
    XCTAssertEqual(
      try read("semantics: published", "semantics.padding=equations").semantics.publishedRows, without)
    XCTAssertEqual(
      try read("", "semantics=published", "semantics.padding=equations").semantics.publishedRows, without)
    XCTAssertEqual(
      try read("semantics: equations", "semantics.padding=published").semantics.publishedRows, ["padding"])
    XCTAssertEqual(try read("semantics: published", "semantics=equations").semantics.publishedRows, [])
    for row in rows { XCTAssertEqual(try read("", "semantics.\(row)=published").semantics.publishedRows, [row]) }
    XCTAssertEqual(
      try read("", "semantics.anchor_ema=on").semantics.publishedRows, ["anchor_ema"])
  }

  /// Sections that can be off still can, in any spelling, and keys given over that stay alone.
  func testOff() throws {
    let value = try read("augment: No", "augment.flip=on").augment
    XCTAssertTrue(value.flip)
    XCTAssertNil(value.crop)
    XCTAssertNotNil(try read("", "augment.flip=on").augment.crop)
  }

  func testMistakes() {
    check(
      minimal + "semantics: paper", at: "x.yaml:6:12",
      says: "expected keys indented below it, or equations or published")
    check(minimal + "semantics: off", at: "x.yaml:6:12", says: "equations or published")
    check(minimal + "semantics: {padding: publishd}", at: "x.yaml:6:22", says: "did you mean 'published'?")
    check(minimal + "semantics: {paddin: published}", at: "x.yaml:6:13", says: "did you mean 'padding'?")
    check(
      minimal + "teacher: {start: beginning}", "semantics=published", at: "--set semantics=published",
      says: "semantics.supervised_teacher published", "set teacher.start to pseudo_labels")
    check(
      minimal + "teacher: {start: beginning}", "semantics.teacher_copy=published",
      at: "--set semantics.teacher_copy=published", says: "semantics.teacher_copy published")
  }
}
