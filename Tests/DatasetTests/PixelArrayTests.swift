import Dataset
import Foundation
import HDF5
import TestSupport
import Transforms
import XCTest

/// Packed files of other programs: arrays of any type and order of dimensions, read where they leave no doubt.
final class PixelArrayTests: XCTestCase {
  private let height = 5, width = 6
  private var pixels: [UInt8] { (0..<height * width * 3).map { UInt8(truncatingIfNeeded: $0 * 4) } }
  private var grey: [UInt8] { (0..<height * width).map { UInt8($0 * 8) } }
  private var labels: [UInt8] { (0..<height * width).map { $0 == 7 ? 255 : UInt8($0 % 3) } }

  private func transposed(_ values: [UInt8], channels: Int) -> [UInt8] {
    let count = values.count / channels
    return (0..<values.count).map { values[$0 % count * channels + $0 / count] }
  }

  private func write(_ path: String, _ datasets: [String: StoredDataset]) throws {
    try HDF5.run {
      var file = try HDF5Writer(new: path, Place(file: path, advice: ""))
      for (name, dataset) in datasets.sorted(by: { $0.key < $1.key }) { try file.write(dataset, at: name) }
      try file.close()
    }
  }

  private func set(_ scratch: Scratch, labeled: Bool = true, list: String = "x\n") throws -> PackedSet {
    try scratch.write("list.txt", list.utf8)
    return try PackedSet(PackedFile(scratch.path + "/f.h5"), list: "list.txt", classes: 3, labeled: labeled)
  }

  private func doubles(_ values: [UInt8], over factor: Double = 255) -> DatasetValues {
    .float64(values.map { Double($0) / factor })
  }

  /// A number behind # is a slice's in the name of pixels; a picture may have any name.
  func testPicturesAreNoSlices() throws {
    let scratch = try Scratch(self)
    let picture = PNG.grey8(height: height, width: width) { _, _ in 1 }
    try write(
      scratch.path + "/f.h5",
      [
        "images/cell#1": StoredDataset(shape: [picture.count], values: .uint8(picture)),
        "images/v#3": StoredDataset(shape: [height, width, 3], values: .uint8(pixels)),
      ])
    let set = try set(scratch, labeled: false, list: "cell#1\nv#3\n")
    XCTAssertEqual(set.problems.map(\.description), [])
    XCTAssertEqual((0..<2).map { set.volume($0)?.file }, [nil, "v"])
    XCTAssertEqual(set.volume(1)?.slice, 3)
  }

  func testImages() throws {
    let (h, w) = (height, width)
    let tripled = grey.flatMap { [$0, $0, $0] }
    let rgb = pixels
    let alpha = (0..<h * w).flatMap { (p: Int) -> [UInt8] in [rgb[3 * p], rgb[3 * p + 1], rgb[3 * p + 2], 9] }
    let cases: [(shape: [Int], values: DatasetValues, expected: [UInt8])] = [
      ([h, w, 3], .uint8(pixels), pixels), ([3, h, w], .uint8(transposed(pixels, channels: 3)), pixels),
      ([h, w], .uint8(grey), tripled), ([h, w, 1], .uint8(grey), tripled), ([1, h, w], .uint8(grey), tripled),
      ([h, w, 3], .int64(pixels.map(Int64.init)), pixels), ([h, w, 3], .int32(pixels.map(Int32.init)), pixels),
      ([h, w, 3], .float32(pixels.map { Float($0) / 255 }), pixels), ([h, w, 3], doubles(pixels), pixels),
      ([3, h, w], doubles(transposed(pixels, channels: 3)), pixels), ([h, w], doubles(grey), tripled),
    ]
    for (shape, values, expected) in cases {
      let scratch = try Scratch(self)
      try write(scratch.path + "/f.h5", ["images/x": StoredDataset(shape: shape, values: values)])
      let set = try set(scratch, labeled: false)
      XCTAssertEqual(set.problems.map(\.description), [], "\(shape)")
      XCTAssertEqual(try set.image(0), Raster(height: h, width: w, pixels: expected), "\(shape) \(values.type)")
      let size = try set.check(0)
      XCTAssertEqual([size.height, size.width], [h, w])
    }
    let scratch = try Scratch(self)
    // Four channels where nothing else is four.
    let wide = StoredDataset(shape: [15, 2, 4], values: .uint8(alpha))
    try write(scratch.path + "/f.h5", ["images/x": wide])
    XCTAssertEqual(
      try set(scratch, labeled: false).image(0), Raster(height: 15, width: 2, pixels: pixels))
  }

  func testMasks() throws {
    let (h, w) = (height, width)
    let cases: [(shape: [Int], values: DatasetValues)] = [
      ([h, w], .uint8(labels)), ([h, w], .int64(labels.map(Int64.init))), ([h, w], .int32(labels.map(Int32.init))),
      ([h, w, 1], .uint8(labels)), ([1, h, w], .int64(labels.map(Int64.init))), ([h, w], doubles(labels, over: 1)),
    ]
    for (shape, values) in cases {
      let scratch = try Scratch(self)
      try write(
        scratch.path + "/f.h5",
        [
          "images/x": StoredDataset(shape: [h, w, 3], values: .uint8(pixels)),
          "labels/x": StoredDataset(shape: shape, values: values),
        ])
      let set = try set(scratch)
      XCTAssertEqual(set.problems.map(\.description), [], "\(shape)")
      XCTAssertEqual(try set.labels(0).values, labels, "\(shape) \(values.type)")
      XCTAssertNoThrow(try set.check(0))
    }
  }

  func testStackedArrays() throws {
    let (h, w) = (height, width)
    let other = pixels.map { 255 - $0 }
    let masks = labels + labels.map { $0 == 255 ? 0 : 2 - $0 }
    let forms: [(StoredDataset, DatasetValues)] = [
      (StoredDataset(shape: [2, h, w, 3], values: .uint8(pixels + other)), .uint8(masks)),
      (
        StoredDataset(
          shape: [2, 3, h, w], values: .uint8(transposed(pixels, channels: 3) + transposed(other, channels: 3))),
        .int64(masks.map(Int64.init))
      ),
      (StoredDataset(shape: [2, h, w, 3], values: doubles(pixels + other)), .int32(masks.map(Int32.init))),
    ]
    for (images, values) in forms {
      let scratch = try Scratch(self)
      try write(
        scratch.path + "/f.h5", ["images": images, "labels": StoredDataset(shape: [2, h, w], values: values)])
      let set = try set(scratch, list: "1\n000\n")
      XCTAssertEqual(set.problems.map(\.description), [])
      XCTAssertEqual(try set.image(0), Raster(height: h, width: w, pixels: other))
      XCTAssertEqual(try set.image(1), Raster(height: h, width: w, pixels: pixels))
      XCTAssertEqual(try set.labels(0).values, Array(masks.suffix(h * w)))
      XCTAssertEqual(try set.labels(1).values, labels)
      XCTAssertNoThrow(try set.check(1))
      XCTAssertNotEqual(set.source(0).image, set.source(1).image)
    }
    let scratch = try Scratch(self)
    let flat = StoredDataset(shape: [2, h, 7], values: .uint8((0..<14 * h).map { UInt8($0) }))
    let names = StoredDataset(shape: [8], values: .uint8(Array("one\ntwo\n".utf8)))
    try write(scratch.path + "/f.h5", ["images": flat, "names": names])
    let named = try set(scratch, labeled: false, list: "two\n")
    XCTAssertEqual(try named.image(0).colors().prefix(4), [35, 35, 35, 36])
    let missing = try set(scratch, labeled: false, list: "im2\n")
    assert(
      missing.problems[0].description, names: "list.txt, line 1", "no image im2", "one array of images",
      "uint8 [2, 5, 7]", "/names")
    try write(scratch.path + "/f.h5", ["images": flat])
    let numbered = try set(scratch, labeled: false, list: "0\n2\nim000\n")
    XCTAssertEqual(numbered.problems.count, 2)
    assert(numbered.problems[0].description, names: "line 2", "no image 2", "called 0 to 1")
    try write(
      scratch.path + "/f.h5",
      ["images": flat, "labels": StoredDataset(shape: [1, h, 7], values: .uint8([UInt8](repeating: 0, count: 7 * h)))])
    assert(try set(scratch, list: "0\n").problems[0].description, names: "line 1", "1 masks for 2 images")
  }

  func testWhatLeavesADoubt() throws {
    let (h, w) = (height, width)
    func dataset(_ shape: [Int], _ value: UInt8 = 0) -> StoredDataset {
      StoredDataset(shape: shape, values: .uint8([UInt8](repeating: value, count: shape.reduce(1, *))))
    }
    let good = StoredDataset(shape: [h, w, 3], values: .uint8(pixels))
    let cases: [(StoredDataset, mask: StoredDataset?, says: [String])] = [
      (
        dataset([h, w, 2]), nil, ["'/images/x'", "uint8 [5, 6, 2]", "a number of channels", "uint8 [height, width, 3]"]
      ),
      (dataset([3, h, 4]), nil, ["uint8 [3, 5, 4]", "3 or 4 may be the number of channels"]),
      (dataset([1, h, w, 3]), nil, ["uint8 [1, 5, 6, 3]", "4 dimensions"]),
      (StoredDataset(shape: [20], values: .float32([Float](repeating: 0, count: 20))), nil, ["float32 [20]"]),
      (good, dataset([h, w, 5]), ["'/labels/x'", "uint8 [5, 6, 5]", "np.argmax", "a mask is"]),
    ]
    for (image, mask, says) in cases {
      let scratch = try Scratch(self)
      var datasets = ["images/x": image]
      datasets["labels/x"] = mask
      try write(scratch.path + "/f.h5", datasets)
      let text = try XCTUnwrap(set(scratch, labeled: mask != nil).problems.first?.description)
      for part in says + ["list.txt, line 1", "f.h5"] { assert(text, names: part) }
    }
    let values: [(StoredDataset, mask: StoredDataset?, says: [String])] = [
      (
        StoredDataset(shape: [h, w], values: .int32((0..<30).map { $0 == 8 ? 4095 : 1 })), nil,
        ["images/x", "int32 [5, 6]", "value 4095", "x 2, y 1", "0 to 255"]
      ),
      (
        StoredDataset(shape: [3, h, w], values: .float64((0..<90).map { $0 == 38 ? -0.5 : 1 })), nil,
        ["float64 [3, 5, 6]", "-0.5", "x 2, y 1", "0 to 1", "normalisation"]
      ),
      (
        StoredDataset(shape: [h, w, 3], values: .float32(pixels.map(Float.init))), nil, ["float32", "0 to 1", "uint8"]
      ),
      (StoredDataset(shape: [h, w], values: .float32((0..<30).map { _ in .nan })), nil, ["nan"]),
      (
        good, StoredDataset(shape: [h, w], values: .int64((0..<30).map { $0 == 6 ? -1 : 1 })),
        ["labels/x", "-1", "255"]
      ),
      (good, StoredDataset(shape: [h, w], values: .int64((0..<30).map { _ in 3 })), ["value 3", "3 classes"]),
      (good, StoredDataset(shape: [h, w], values: .float32((0..<30).map { _ in 0.5 })), ["float32 [5, 6]", "0.5"]),
    ]
    for (image, mask, says) in values {
      let scratch = try Scratch(self)
      var datasets = ["images/x": image]
      datasets["labels/x"] = mask
      try write(scratch.path + "/f.h5", datasets)
      let set = try set(scratch, labeled: mask != nil)
      let text = message { try set.namingOrigin(of: 0) { try set.check(0) } }
      for part in says + ["list.txt, line 1", "f.h5"] { assert(text, names: part) }
      XCTAssertThrowsError(try set.labeledImage(0))
    }
  }
}
