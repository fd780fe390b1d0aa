import Compute
import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// Large packed arrays: a crop reads the rows that it needs, and what it gives is what the whole image gives.
final class RowReadingTests: XCTestCase {
  private let height = 560, width = 950, channels = 4
  private let form = ImageForm(channels: 4, isWhole: true)

  private func array(_ descr: String, _ shape: String, _ values: [UInt8]) -> [UInt8] {
    var header = "{'descr': '\(descr)', 'fortran_order': False, 'shape': \(shape), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8) + values
  }

  /// One labeled image of 16 bits as an array of NumPy.
  private func folder() throws -> (Scratch, FileSet) {
    let scratch = try Scratch(self)
    let values = (0..<height * width * channels).map { UInt16(truncatingIfNeeded: $0 &* 40_503) }
      .withUnsafeBytes { [UInt8]($0) }
    try scratch.write("images/a.npy", array("<u2", "(\(height), \(width), \(channels))", values))
    try scratch.write(
      "labels/a.npy", array("|u1", "(\(height), \(width))", (0..<height * width).map { UInt8($0 / 31 % 2) }))
    try scratch.write("list.txt", "a\n".utf8)
    let set = try FileSet(
      root: scratch.path, list: "list.txt", layout: .folder, classes: 2, form: form, labeled: true)
    try set.requireComplete()
    return (scratch, set)
  }

  private func pack(_ set: FileSet, _ path: String) throws {
    var plan = try PackPlan([("list.txt", set)])
    try plan.measure(0)
    XCTAssertNil(try PackWriter.prepare(plan, path))
    let writer = try PackWriter(plan, path)
    try writer.write(0)
    try writer.synchronize()
    try writer.verify(0)
    try writer.publish()
  }

  private func open(_ path: String) throws -> PackedSet {
    let set = try PackedSet(PackedFile(path), list: "list.txt", classes: 2, form: form, labeled: true)
    try set.requireComplete()
    return set
  }

  func testACropOfAPackedArray() throws {
    let (scratch, set) = try folder()
    let path = scratch.path + "/packed.h5"
    try pack(set, path)
    let packed = try open(path)
    let whole = try set.image(0)
    XCTAssertEqual(try packed.image(0), whole)
    XCTAssertEqual(packed.sizeByRows(0)?.height, height)
    XCTAssertNil(set.sizeByRows(0))
    for rows in [0..<1, 100..<140, height - 3..<height, 0..<height] {
      XCTAssertEqual(try packed.image(0, rows: rows), whole.part(rows: rows, columns: 0..<width), "\(rows)")
      XCTAssertEqual(try set.image(0, rows: rows), whole.part(rows: rows, columns: 0..<width), "\(rows)")
    }
    // What the loader makes of them.
    let normalization = Normalization(
      mean: [100, 110, 120, 130], std: [50, 51, 52, 53], range: PixelRange(low: 100, high: 60_000))
    let augmentations = [
      Augmentation(scale: 0.6...1.5, flip: true, crop: (40, 50), quarterTurns: true),
      Augmentation(
        crop: (40, 50), rotate: -30...30, elastic: ElasticDeformation(amplitude: 4, spacing: 9, probability: 1)),
    ]
    for augmentation in augmentations {
      func batches(_ images: any ImageSet) throws -> [[Float]] {
        let philox = Philox(seed: 3)
        let source = BatchLoader.Source(
          images, GlobalSampler(count: 1, batch: 2, shuffle: false, philox: philox, stream: .labeledOrder),
          slots: 0..<2, augmentation: augmentation)
        let loader = BatchLoader(
          labeled: source, unlabeled: source, steps: 0..<1, normalization: normalization, philox: philox)
        defer { loader.stop() }
        var found: [[Float]] = []
        while let batch = try loader.next() {
          for example in batch.labeled + batch.unlabeled {
            found.append(example.pixels + example.labels.map(Float.init))
          }
        }
        return found
      }
      let expected = try batches(set)
      XCTAssertEqual(expected.count, 4)
      XCTAssertEqual(try batches(packed), expected)
    }
  }

  func testOtherRowsAreNotRead() throws {
    let (scratch, set) = try folder()
    let path = scratch.path + "/packed.h5"
    try pack(set, path)
    let whole = try set.image(0)
    guard case .uint16(let values) = whole.values else { return XCTFail("no 16 bits") }
    // The last values of the image; the mask lies behind them.
    let tail = values.suffix(64).withUnsafeBytes { Data($0) }
    var data = try Data(contentsOf: URL(fileURLWithPath: path))
    let place = try XCTUnwrap(data.range(of: tail, options: .backwards))
    data[place.lowerBound] ^= 1
    try data.write(to: URL(fileURLWithPath: path))
    let damaged = try open(path)
    assert(message { try damaged.image(0) }, names: "packed.h5: images/a", "checksum does not match")
    assert(message { try damaged.check(0) }, names: "packed.h5: images/a", "checksum does not match")
    XCTAssertEqual(try damaged.image(0, rows: 0..<100), whole.part(rows: 0..<100, columns: 0..<width))
    XCTAssertNotEqual(
      try damaged.image(0, rows: height - 9..<height), whole.part(rows: height - 9..<height, columns: 0..<width))
  }
}
