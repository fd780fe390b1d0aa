import Dataset
import XCTest

final class ShapesSetTests: XCTestCase {
  private func set(
    height: Int = 96, width: Int = 96, count: Int = 40, classes: Int = 7, seed: UInt64 = 7, offset: Int = 0
  ) -> ShapesSet {
    ShapesSet(height: height, width: width, count: count, classes: classes, seed: seed, offset: offset)
  }

  /// The pixels of a seed are fixed for ever: results on generated data stay comparable between machines and versions.
  func testPixelsAreThoseOfEveryMachine() throws {
    var pixels: [UInt8] = [], labels: [UInt8] = []
    for index in [0, 1, 39] {
      let (image, mask) = try set(classes: 12).labeledImage(index)
      pixels += image.colors()
      labels += mask.values
    }
    let (image, mask) = try set(height: 45, width: 130, classes: 7, seed: (1 << 40) + 3, offset: 1000).labeledImage(5)
    XCTAssertEqual(hash(pixels), 1_307_104_768_081_716_945)
    XCTAssertEqual(hash(labels), 6_024_755_164_246_568_554)
    XCTAssertEqual(hash(image.colors() + mask.values), 3_499_023_885_960_646_472)
  }

  func testImagesAreKnownByTheirNumber() throws {
    let all = set(), later = set(count: 10, offset: 30)
    XCTAssertEqual(all.identifier(35), later.identifier(5))
    XCTAssertEqual(try all.image(35), try later.image(5))
    XCTAssertEqual(try all.labels(35), try later.labels(5))
    XCTAssertEqual(try all.labeledImage(35).image, try all.image(35))
    XCTAssertNotEqual(try all.image(0), try all.image(1))
    XCTAssertNotEqual(try all.image(0), try set(seed: 8).image(0))
  }

  func testEveryClassOccursAndNoOther() throws {
    for classes in [2, 7, 12] {
      let some = set(classes: classes)
      var pixels = [Int](repeating: 0, count: 256)
      for index in 0..<some.count { for value in try some.labels(index).values { pixels[Int(value)] += 1 } }
      XCTAssertEqual(pixels.lastIndex { $0 > 0 }, classes - 1)
      XCTAssertFalse(pixels[0..<classes].contains(0))
      XCTAssertEqual(Double(pixels[0]) / Double(pixels.reduce(0, +)), 0.6, accuracy: 0.1)
    }
    XCTAssertEqual(ShapesSet.classNames(3), ["background", "circle", "square"])
    XCTAssertEqual(ShapesSet.classNames(12).count, 12)
  }

  /// A single pixel's colour does not tell its class: the best guess by colour, learned from other images, is wrong on a
  /// fifth of the shapes' pixels and more.
  func testColourAloneDoesNotTellClasses() throws {
    let some = set(count: 400)
    var seen = [Int](repeating: 0, count: 512 * 7)
    func bin(_ pixels: [UInt8], _ at: Int) -> Int {
      (0..<3).reduce(0) { $0 << 3 | Int(pixels[3 * at + $1] >> 5) } * 7
    }
    var right = 0, total = 0
    for index in 0..<some.count {
      let (image, labels) = try some.labeledImage(index)
      for at in stride(from: 0, to: 96 * 96, by: 7) where labels.values[at] > 0 {
        let first = bin(image.colors(), at)
        if index < 300 {
          seen[first + Int(labels.values[at])] += 1
        } else {
          let counts = seen[first..<first + 7]
          right += counts.firstIndex(of: counts.max() ?? 0) == first + Int(labels.values[at]) ? 1 : 0
          total += 1
        }
      }
    }
    XCTAssertLessThan(Double(right) / Double(total), 0.8)
    XCTAssertGreaterThan(Double(right) / Double(total), 1.0 / 6)
  }

  func testAnySizeIsDrawn() throws {
    for (height, width) in [(8, 8), (8, 400), (301, 97)] {
      let image = try set(height: height, width: width).image(3)
      XCTAssertEqual([image.height, image.width], [height, width])
    }
  }

  func testImpossibleParametersAreErrorsNotCrashes() throws {
    assert(message { try set(classes: 13).check(0) }, names: "13 classes", "2 to 12")
    assert(message { try set(classes: 1).image(0) }, names: "1 classes", "2 to 12")
    assert(message { try set(height: 0).labels(0) }, names: "96×0", "8 to 20000")
    assert(message { try set(width: 50_000).check(0) }, names: "50000×96")
  }

  /// What is written is a VOC data set of the same pixels.
  func testWrittenSetReadsBackTheSame() throws {
    let scratch = try Scratch(self)
    let labeled = set(count: 3), rest = set(count: 4, offset: 3)
    try labeled.write(to: scratch.path + "/data", list: "labeled")
    try rest.write(to: scratch.path + "/data", list: "unlabeled")
    for (name, written) in [("labeled", labeled), ("unlabeled", rest)] {
      let read = try FileSet(
        root: scratch.path + "/data", list: "splits/\(name).txt", layout: .voc, classes: 7, labeled: true)
      XCTAssertEqual(read.count, written.count)
      for index in 0..<read.count {
        XCTAssertEqual(read.identifier(index), written.identifier(index))
        XCTAssertEqual(try read.image(index), try written.image(index))
        XCTAssertEqual(try read.labels(index), try written.labels(index))
        XCTAssertNoThrow(try read.check(index))
      }
    }
    let names = try String(contentsOfFile: scratch.path + "/data/classes.txt", encoding: .utf8)
    XCTAssertEqual(names.split(separator: "\n").map(String.init), ShapesSet.classNames(7))
    let file = try scratch.write("file", [])
    assert(message { try labeled.write(to: file, list: "labeled") }, names: file, "cannot be created")
  }
}
