import Dataset
import TestSupport
import Transforms
import XCTest

/// What decoding tells besides pixels: files that are damaged but read as viewers show them, and 16-bit values.
final class ImageFactsTests: XCTestCase {
  private let whole = JPEG.blocks(height: 64, width: 40) { x, y in UInt8(40 + x * 20 + y * 9) }

  private func facts(_ scratch: Scratch, _ bytes: some Sequence<UInt8>) throws -> (Raster, ImageFacts) {
    let (image, facts) = try ImageFile.read(scratch.write("a.jpg", bytes))
    return (image, facts)
  }

  // MARK: JPEGs

  func testBytesTooMany() throws {
    let scratch = try Scratch(self)
    let (expected, none) = try facts(scratch, whole)
    XCTAssertNil(none.flaw)
    for count in [8, 64, 5000] {
      let junk = (0..<count).map { UInt8($0 % 255) }
      let (image, found) = try facts(scratch, whole.dropLast(2) + junk + whole.suffix(2))
      XCTAssertEqual(image, expected)
      XCTAssertNotNil(found.flaw?.firstMatch(of: /^it has \d+ bytes too many/), found.flaw ?? "nothing")
    }
    // Behind its end a file may hold anything.
    XCTAssertNil(try facts(scratch, whole + [1, 2, 3]).1.flaw)
  }

  func testAMissingEndMarker() throws {
    let scratch = try Scratch(self)
    let expected = try facts(scratch, whole).0
    for file in [whole, JPEG.color, JPEG.progressive, JPEG.grey] {
      for count in 1...2 {
        let (_, found) = try facts(scratch, file.dropLast(count))
        XCTAssertEqual(found.flaw, "its end marker is missing, but all of its pixels are there")
      }
    }
    XCTAssertEqual(try facts(scratch, whole.dropLast(2)).0, expected)
  }

  /// Rows at the bottom that are missing are grey; where more is missing than a viewer's look would pass, the file is damaged. What
  /// checking says without decoding is the same.
  func testCutFiles() throws {
    let scratch = try Scratch(self)
    let mask = PNG.grey8(height: 64, width: 40) { _, _ in 0 }
    for restartRows in [nil, 1, 3] {
      let whole = JPEG.blocks(height: 64, width: 40, restartRows: restartRows) { x, y in UInt8(40 + x * 20 + y * 9) }
      let expected = try facts(scratch, whole).0
      var taken = 0
      try scratch.writePair(mask: mask)
      for length in 20..<whole.count - 2 {
        for file in [Array(whole.prefix(length)), whole.prefix(length) + [0xFF, 0xD9]] {
          try scratch.write("JPEGImages/a.jpg", file)
          let set = try scratch.open()
          do {
            let (image, found) = try ImageFile.read(scratch.path + "/JPEGImages/a.jpg")
            let flaw = try XCTUnwrap(found.flaw, "\(length) of \(whole.count)")
            XCTAssertTrue(flaw.contains("the last 8 of 64 rows") || flaw.contains("all of its pixels"), flaw)
            // All but the last row of blocks is as it was.
            XCTAssertEqual(image.colors().prefix(56 * 40 * 3), expected.colors().prefix(56 * 40 * 3), "\(length)")
            XCTAssertNoThrow(try set.check(0))
            taken += 1
          } catch {
            assert("\(error)", names: "JPEGImages/a.jpg", "damaged or incomplete", "again")
            if file.count == length { XCTAssertThrowsError(try set.check(0)) }
          }
        }
      }
      XCTAssertGreaterThan(taken, 5)
      XCTAssertLessThan(taken, whole.count / 2)
    }
  }

  /// In a large picture a tenth may be missing; in the only row of blocks nothing.
  func testHowMuchMayBeMissing() throws {
    let scratch = try Scratch(self)
    let large = JPEG.blocks(height: 800, width: 64) { x, y in UInt8((x * 31 + y * 17) % 200) }
    let start = large.count - large.count * 8 / 100
    let (_, found) = try facts(scratch, large.prefix(start))
    XCTAssertNotNil(found.flaw?.firstMatch(of: /the last \d\d of 800 rows are grey/), found.flaw ?? "nothing")
    assert(
      message { try facts(scratch, large.prefix(large.count * 4 / 5)) }, names: "its data ends",
      "of 800 rows before the image does")
    let small = JPEG.blocks(height: 8, width: 64) { x, _ in UInt8(x * 30) }
    assert(message { try facts(scratch, small.dropLast(6)) }, names: "its data ends 8 of 8 rows")
  }

  func testCodedDataThatIsWrongIsDamage() throws {
    let scratch = try Scratch(self)
    let marked = JPEG.blocks(height: 64, width: 40, restartRows: 1) { x, y in UInt8(40 + x * 20 + y * 9) }
    // A restart marker that is missing, and one too early.
    let at = try XCTUnwrap(marked.indices.last { marked[$0] == 0xFF && (0xD0...0xD7).contains(marked[$0 + 1]) })
    var file = marked
    file[at + 1] = 0xD0 + (file[at + 1] - 0xD0 + 3) % 8
    assert(message { try facts(scratch, file) }, names: "damaged")
    // A code that stands for nothing: of four bits, 13 to 15 are none.
    let scan = try XCTUnwrap(whole.indices.first { whole[$0] == 0xFF && whole[$0 + 1] == 0xDA }) + 10
    file = whole
    for index in scan..<scan + 3 { file[index] = 0xFE }
    assert(message { try facts(scratch, file) }, names: "damaged")
  }

  func testKindsOfJPEGThatAreNotRead() throws {
    let scratch = try Scratch(self)
    let frame = try XCTUnwrap(whole.indices.first { whole[$0] == 0xFF && whole[$0 + 1] == 0xC0 })
    var lossless = whole
    lossless[frame + 1] = 0xC3
    assert(message { try facts(scratch, lossless) }, names: "of a kind that is not read", "convert it")
    var deep = whole
    deep[frame + 1] = 0xC1
    deep[frame + 4] = 12
    assert(message { try facts(scratch, deep) }, names: "of a kind that is not read", "precision 12", "convert it")
  }

  // MARK: 16 bits

  private func depth(_ scratch: Scratch, _ values: [Int]) throws -> ImageFacts.Depth? {
    let row = values.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
    let file = PNG.file(height: 1, width: values.count, bits: 16, .grey, rows: [row])
    let (image, found) = try facts(scratch, file)
    XCTAssertEqual(image.colors(), values.flatMap { [UInt8](repeating: UInt8($0 >> 8), count: 3) })
    return found.depth
  }

  func testHowManyBitsAreInUse() throws {
    let scratch = try Scratch(self)
    let twelve = try XCTUnwrap(depth(scratch, [0, 7, 4095, 2048]))
    XCTAssertEqual(twelve.greatest, 4095)
    assert(
      try XCTUnwrap(twelve.loss), names: "12 of 16 bits are in use (values to 4095)", "keeps 4",
      "15 of 255, nearly black", "data.range: [0, 4095] takes all of them")
    let ten = try XCTUnwrap(depth(scratch, [1023, 1])?.loss)
    assert(ten, names: "10 of 16 bits", "keeps 2", "3 of 255, nearly black", "data.range: [0, 1023]")
    let eight = try XCTUnwrap(depth(scratch, [255, 3])?.loss)
    assert(eight, names: "8 of 16 bits", "keeps 0", "0 of 255, nearly black", "data.range: [0, 255]")
    // Twelve bits in the upper end: not dark, but four are lost.
    let high = try XCTUnwrap(depth(scratch, [65520, 16])?.loss)
    assert(high, names: "12 of 16 bits", "keeps 8")
    XCTAssertFalse(high.contains("black"))
    assert(try XCTUnwrap(depth(scratch, [65535, 1])?.loss), names: "16 of 16 bits", "keeps 8")
    // Nothing is lost of 8 bits in the high byte, of 8 bits stored twice, and of black.
    for values in [[65280, 256], [0x4141, 0xFFFF, 0], [0, 0]] { XCTAssertNil(try depth(scratch, values)?.loss) }
    let both = twelve.union(ImageFacts.Depth(greatest: 65520, used: 65520, isDoubled: false))
    XCTAssertEqual([both.greatest, both.used], [65520, 65535])
    XCTAssertNil(try facts(scratch, PNG.grey8(height: 1, width: 1) { _, _ in 9 }).1.depth)
  }

  /// The passes of an interlaced picture of 16 bits come together to the same pixels.
  func testInterlaced16Bits() throws {
    let scratch = try Scratch(self)
    var file = PNG.file(height: 2, width: 2, bits: 16, .grey, rows: [[1, 9], [2, 9], [3, 9, 4, 9]])
    file[28] = 1
    let (image, found) = try facts(scratch, PNG.withChecksums(file))
    XCTAssertEqual(image.colors(), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
    XCTAssertEqual(found.depth, ImageFacts.Depth(greatest: 0x0409, used: 0x0709, isDoubled: false))
  }
}
