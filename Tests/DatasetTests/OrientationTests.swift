import Dataset
import TestSupport
import Transforms
import XCTest

/// EXIF's orientation: pictures and masks are read as viewers show them.
final class OrientationTests: XCTestCase {
  /// Where the pixel shown at (y, x) lies in a picture stored with `height` × `width` pixels, as EXIF defines the eight values.
  private func stored(_ orientation: Int, _ y: Int, _ x: Int, height: Int, width: Int) -> (y: Int, x: Int) {
    switch orientation {
    case 1: (y, x)
    case 2: (y, width - 1 - x)
    case 3: (height - 1 - y, width - 1 - x)
    case 4: (height - 1 - y, x)
    case 5: (x, y)
    case 6: (height - 1 - x, y)
    case 7: (height - 1 - x, width - 1 - y)
    default: (x, width - 1 - y)
    }
  }

  private func assertShown(
    _ orientation: Int, _ header: ImageHeader, _ values: [UInt8], of original: (Int, Int) -> UInt8, height: Int,
    width: Int,
    _ what: String, line: UInt = #line
  ) {
    let isTurned = orientation >= 5
    XCTAssertEqual([header.height, header.width], isTurned ? [width, height] : [height, width], what, line: line)
    let expected = (0..<header.height).flatMap { y in
      (0..<header.width).map { x in
        let at = stored(orientation, y, x, height: height, width: width)
        return original(at.x, at.y)
      }
    }
    XCTAssertEqual(values, expected, "\(what), orientation \(orientation)", line: line)
  }

  func testJPEGs() throws {
    let scratch = try Scratch(self)
    // A border that is no whole block too.
    func value(_ x: Int, _ y: Int) -> UInt8 { UInt8(x / 8 * 60 + y / 8 * 20 + 5) }
    let plain = JPEG.blocks(height: 19, width: 30) { value(8 * $0, 8 * $1) }
    for orientation in 1...8 {
      for littleEndian in [false, true] {
        let file = JPEG.withOrientation(orientation, plain, littleEndian: littleEndian)
        let path = try scratch.write("a.jpg", file)
        let (image, facts) = try ImageFile.read(path)
        let values = stride(from: 0, to: image.colors().count, by: 3).map { image.colors()[$0] }
        assertShown(orientation, try ImageFile.header(path), values, of: value, height: 19, width: 30, "JPEG")
        XCTAssertEqual([facts.orientation, facts.height, facts.width], [orientation, image.height, image.width])
        XCTAssertNil(facts.flaw)
      }
    }
  }

  func testPNGsAndMasks() throws {
    let scratch = try Scratch(self)
    func value(_ x: Int, _ y: Int) -> UInt8 { UInt8(x * 7 + y) }
    let plain = PNG.grey8(height: 3, width: 5) { value($0, $1) }
    for orientation in 1...8 {
      for afterPixels in [false, true] {
        let path = try scratch.write("a.png", PNG.withOrientation(orientation, plain, afterPixels: afterPixels))
        let (image, header) = (try ImageFile.readRGB(path), try ImageFile.header(path))
        let values = stride(from: 0, to: image.colors().count, by: 3).map { image.colors()[$0] }
        assertShown(orientation, header, values, of: value, height: 3, width: 5, "PNG")
        XCTAssertEqual(try ImageFile.readLabels(path).values, values, "a mask is shown like any picture")
        XCTAssertEqual(try ImageFile.readLabels(path).width, header.width)
      }
    }
  }

  /// A tag that cannot be read is none.
  func testDamagedTags() throws {
    let scratch = try Scratch(self)
    let plain = JPEG.blocks(height: 8, width: 16) { x, _ in UInt8(x * 100) }
    let tag = JPEG.withOrientation(6, plain)
    XCTAssertEqual(try ImageFile.header(scratch.write("a.jpg", tag)).width, 8)
    for value in [0, 9, 65535] {
      XCTAssertEqual(try ImageFile.header(scratch.write("a.jpg", JPEG.withOrientation(value, plain))).width, 16)
    }
    // Each byte of the segment, from its mark to its end, changed in turn: no crash, and one of two sizes.
    for at in 6..<tag.count - plain.count {
      for change in [0x01, 0x80, 0xFF] as [UInt8] {
        var file = tag
        file[at] ^= change
        XCTAssertTrue([8, 16].contains(try ImageFile.header(scratch.write("a.jpg", file)).width), "byte \(at)")
      }
    }
    // Of several segments the first that is EXIF counts; XMP, which is in segments of the same kind, does not.
    let xmp = [0xFF, 0xE1, 0, 9] + Array("http://".utf8)
    let both = Array(tag.prefix(2)) + xmp + JPEG.withOrientation(6, plain).dropFirst(2)
    XCTAssertEqual(try ImageFile.header(scratch.write("a.jpg", both)).width, 8)
  }

  /// Sizes that checks see are those that training sees, and a mask drawn on the stored pixels is told from one of another size.
  func testSizesOfImageAndMask() throws {
    let scratch = try Scratch(self)
    let turned = JPEG.withOrientation(6, JPEG.blocks(height: 16, width: 24) { x, y in UInt8(x * 50 + y * 9) })
    try scratch.writePair(image: turned, mask: PNG.grey8(height: 24, width: 16) { _, _ in 1 })
    let set = try scratch.open()
    let size = try set.check(0)
    XCTAssertEqual([size.height, size.width], [24, 16])
    XCTAssertEqual(try set.labeledImage(0).image.height, 24)
    try scratch.writePair(image: turned, mask: PNG.grey8(height: 16, width: 24) { _, _ in 1 })
    for text in [message { try set.check(0) }, message { try set.labeledImage(0) }] {
      assert(
        text, names: "the image is 16×24", "the mask 24×16", "EXIF orientation 6", "as they are stored", "exiftool")
    }
    try scratch.writePair(image: turned, mask: PNG.grey8(height: 16, width: 16) { _, _ in 1 })
    XCTAssertFalse(message { try set.check(0) }.contains("EXIF"))
  }
}
