import Dataset
import TestSupport
import Transforms
import XCTest

final class ImageFileTests: XCTestCase {
  func testJPEGsDecodeAsInPillow() throws {
    let scratch = try Scratch(self)
    for (bytes, expected) in [
      (JPEG.color, JPEG.colorHash), (JPEG.progressive, JPEG.progressiveHash), (JPEG.grey, JPEG.greyHash),
    ] {
      let image = try ImageFile.readRGB(scratch.write("a.jpg", bytes))
      XCTAssertEqual(image.height, 14)
      XCTAssertEqual(image.width, 20)
      XCTAssertEqual(hash(image.colors()), expected)
    }
  }

  func testHeaderTellsFormatsByContent() throws {
    let scratch = try Scratch(self)
    let jpeg = try ImageFile.header(scratch.write("a.png", JPEG.cmyk))
    XCTAssertEqual(jpeg.format, .jpeg)
    XCTAssertEqual([jpeg.height, jpeg.width, jpeg.channels, jpeg.bits], [14, 20, 4, 8])
    let rows: [[UInt8]] = [[0b0001_1011], [0b1110_0100]]
    let file = PNG.file(height: 2, width: 4, bits: 2, .palette, palette: [UInt8](0..<12), rows: rows)
    let png = try ImageFile.header(scratch.write("b.jpg", file))
    XCTAssertEqual(png.format, .png)
    XCTAssertEqual([png.height, png.width, png.channels, png.bits], [2, 4, 1, 2])
    XCTAssertTrue(png.palette)
  }

  /// The same file is colours as an image and indices as a mask.
  func testPaletteIsIndicesInMasksAndColoursInImages() throws {
    let scratch = try Scratch(self)
    let palette: [UInt8] = [0, 0, 0, 128, 0, 0, 0, 128, 0, 9, 8, 7]
    for (bits, row) in [(2, [0b0001_1011]), (4, [0x01, 0x23]), (8, [0, 1, 2, 3])] as [(UInt8, [UInt8])] {
      let path = try scratch.write(
        "p.png", PNG.file(height: 1, width: 4, bits: bits, .palette, palette: palette, rows: [row]))
      XCTAssertEqual(try ImageFile.readLabels(path).values, [0, 1, 2, 3], "\(bits) bits")
      XCTAssertEqual(try ImageFile.readRGB(path).colors(), palette, "\(bits) bits")
    }
  }

  /// A grey mask of few bits holds class numbers; as an image the same bits span black to white.
  func testGreyOfFewBitsIsScaledInImagesOnly() throws {
    let scratch = try Scratch(self)
    let one = try scratch.write("1.png", PNG.file(height: 1, width: 4, bits: 1, .grey, rows: [[0b0110_0000]]))
    XCTAssertEqual(try ImageFile.readLabels(one).values, [0, 1, 1, 0])
    XCTAssertEqual(try ImageFile.readRGB(one).colors(), [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0])
    let four = try scratch.write("4.png", PNG.file(height: 1, width: 2, bits: 4, .grey, rows: [[0x2F]]))
    XCTAssertEqual(try ImageFile.readLabels(four).values, [2, 15])
    XCTAssertEqual(try ImageFile.readRGB(four).colors(), [34, 34, 34, 255, 255, 255])
  }

  func testOtherPNGKindsBecomeRGB() throws {
    let scratch = try Scratch(self)
    func pixels(_ bits: UInt8, _ color: PNG.Color, _ row: [UInt8]) throws -> [UInt8] {
      try ImageFile.readRGB(
        scratch.write("k.png", PNG.file(height: 1, width: 2, bits: bits, color, rows: [row]))
      ).colors()
    }
    XCTAssertEqual(try pixels(8, .rgb, [1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6])
    XCTAssertEqual(try pixels(8, .rgba, [1, 2, 3, 0, 4, 5, 6, 128]), [1, 2, 3, 4, 5, 6])
    XCTAssertEqual(try pixels(8, .greyAlpha, [7, 0, 9, 255]), [7, 7, 7, 9, 9, 9])
    XCTAssertEqual(try pixels(16, .grey, [7, 200, 9, 3]), [7, 7, 7, 9, 9, 9])
    XCTAssertEqual(
      try pixels(16, .rgb, [1, 99, 2, 99, 3, 99, 4, 255, 5, 255, 6, 255]), [1, 2, 3, 4, 5, 6])
  }

  func testWrittenFilesReadBack() throws {
    let scratch = try Scratch(self)
    let image = Raster(height: 3, width: 5, pixels: (0..<45).map { UInt8($0 * 5) })
    try ImageFile.writePNG(image, to: scratch.path + "/i.png")
    XCTAssertEqual(try ImageFile.readRGB(scratch.path + "/i.png"), image)

    let labels = LabelMap(height: 2, width: 3, values: [0, 1, 2, 20, 254, 255])
    try ImageFile.writePNG(labels, palette: nil, to: scratch.path + "/g.png")
    XCTAssertEqual(try ImageFile.readLabels(scratch.path + "/g.png"), labels)
    XCTAssertFalse(try ImageFile.header(scratch.path + "/g.png").palette)

    try ImageFile.writePNG(labels, palette: [[1, 2, 3]], to: scratch.path + "/p.png")
    XCTAssertEqual(try ImageFile.readLabels(scratch.path + "/p.png"), labels)
    XCTAssertTrue(try ImageFile.header(scratch.path + "/p.png").palette)
    let seen = try ImageFile.readRGB(scratch.path + "/p.png").colors()
    XCTAssertEqual(Array(seen[0..<6]), [1, 2, 3, 128, 0, 0], "given colours first, VOC's after them")
  }

  func testPaletteIsVOCs() {
    XCTAssertEqual(ImageFile.vocPalette.count, 256)
    XCTAssertEqual(ImageFile.vocPalette[1], [128, 0, 0])
    XCTAssertEqual(ImageFile.vocPalette[20], [0, 64, 128])
    XCTAssertEqual(ImageFile.vocPalette[255], [224, 224, 192])
  }

  func testUnwritablePlaceIsNamed() throws {
    let scratch = try Scratch(self)
    let path = scratch.path + "/none/i.png"
    assert(
      message { try ImageFile.writePNG(Raster(height: 1, width: 1, pixels: [1, 2, 3]), to: path) },
      names: path, "cannot be written")
  }
}
