import Dataset
import Foundation
import HDF5
import TestSupport
import Transforms
import XCTest

/// One packed file, written from and compared with files of their own.
final class PackedSetTests: XCTestCase {
  private let names = ["a", "b", "c"]

  /// Three images in VOC's layout, of which `c` has no mask, and the lists `splits/labeled.txt` (a, b) and `all.txt`.
  private func source() throws -> Scratch {
    let scratch = try Scratch(self)
    try scratch.write("JPEGImages/a.jpg", JPEG.color)
    for (i, name) in ["b", "c"].enumerated() {
      try scratch.write("JPEGImages/\(name).png", PNG.grey8(height: 14, width: 20) { x, y in UInt8(x * y + i) })
    }
    for (i, name) in ["a", "b"].enumerated() {
      try scratch.write(
        "SegmentationClass/\(name).png",
        PNG.grey8(height: 14, width: 20) { x, y in x == 3 ? 255 : UInt8((x + y + i) % 5) })
    }
    try scratch.write("splits/labeled.txt", "a\nb\n".utf8)
    try scratch.write("all.txt", "c\nb\na\n".utf8)
    return scratch
  }

  private func sets(_ scratch: Scratch, coding: LabelCoding? = nil) throws -> [(name: String, set: FileSet)] {
    try [("splits/labeled.txt", true), ("all.txt", false)].map { list, labeled in
      let set = try FileSet(
        root: scratch.path, list: list, layout: .voc, classes: 5, coding: coding, labeled: labeled)
      return (list, set)
    }
  }

  private func plan(_ scratch: Scratch, coding: LabelCoding? = nil) throws -> PackPlan {
    var plan = try PackPlan(sets(scratch, coding: coding))
    for index in 0..<plan.count { try plan.measure(index) }
    return plan
  }

  /// Writes `packed.h5` whole; returns its path.
  @discardableResult
  private func pack(_ scratch: Scratch, coding: LabelCoding? = nil) throws -> String {
    let path = scratch.path + "/packed.h5"
    let plan = try plan(scratch, coding: coding)
    XCTAssertNil(try PackWriter.prepare(plan, path))
    let writer = try PackWriter(plan, path)
    for index in writer.missing.reversed() { try writer.write(index) }
    try writer.synchronize()
    for index in 0..<plan.count { try writer.verify(index) }
    try writer.publish()
    return path
  }

  func testAPackedSetIsTheSetItWasMadeFrom() throws {
    let scratch = try source()
    let file = try PackedFile(try pack(scratch))
    for (list, set) in try sets(scratch) {
      let labeled = list != "all.txt"
      let packed = try PackedSet(file, list: list, classes: 5, labeled: labeled)
      XCTAssertEqual(packed.problems.count, 0)
      XCTAssertEqual((0..<packed.count).map(packed.identifier), (0..<set.count).map(set.identifier))
      for index in 0..<set.count {
        XCTAssertEqual(try packed.image(index), try set.image(index))
        let size = try packed.check(index)
        XCTAssertEqual([size.height, size.width], [14, 20])
        if labeled { XCTAssertEqual(try packed.labels(index), try set.labels(index)) }
      }
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: scratch.path + "/packed.h5.partial"))
  }

  func testListsAndNames() throws {
    let scratch = try source()
    let file = try PackedFile(try pack(scratch))
    func open(_ list: String, labeled: Bool = false) throws -> PackedSet {
      try PackedSet(file, list: list, classes: 5, labeled: labeled)
    }
    // A file is taken before a list that was packed, whose place is that of the original.
    try scratch.write("all.txt", "a\n\nJPEGImages/b.jpg\n/JPEGImages/c.jpg /SegmentationClassAug/c.png\n./a\n".utf8)
    let set = try open("all.txt")
    XCTAssertEqual((0..<set.count).map(set.identifier), ["a", "b", "c", "a"])
    XCTAssertEqual(set.origin(1), scratch.path + "/all.txt, line 3")
    try FileManager.default.removeItem(atPath: scratch.path + "/all.txt")
    let packed = try open("all.txt")
    XCTAssertEqual((0..<packed.count).map(packed.identifier), ["c", "b", "a"])
    assert(packed.origin(2) ?? "", names: "packed.h5: lists/all.txt, line 3")
    assert(message { try open("none.txt") }, names: "none.txt", "no such list", ", and ", "packed.h5")
    try scratch.write("bad.txt", "a\nnone\nc\n".utf8)
    let bad = try open("bad.txt", labeled: true)
    XCTAssertEqual(bad.count, 1)
    XCTAssertEqual(bad.problems.count, 2)
    assert(bad.problems[0].description, names: "bad.txt, line 2", "no image none", "packed.h5")
    assert(bad.problems[1].description, names: "bad.txt, line 3", "image c has no mask", "pack it with a list")
  }

  func testTheMeaningOfMasksIsPacked() throws {
    let scratch = try source()
    let coding = LabelCoding([0: 4, 1: 3, 2: 2, 3: nil, 4: 0, 255: 1], ignoringOthers: false)
    let file = try PackedFile(try pack(scratch, coding: coding))
    let packed = try PackedSet(file, list: "splits/labeled.txt", classes: 5, labeled: true)
    let set = try sets(scratch, coding: coding)[0].set
    for index in 0..<2 { XCTAssertEqual(try packed.labels(index), try set.labels(index)) }
    XCTAssertEqual(try packed.labels(0).values[3], 1)
  }

  /// As after a kill: part of the images is there, of another one the pixels but not the checksum.
  func testGoingOn() throws {
    let scratch = try source()
    let whole = try Data(contentsOf: URL(fileURLWithPath: try pack(scratch)))
    let path = scratch.path + "/packed.h5"
    try FileManager.default.removeItem(atPath: path)
    let plan = try plan(scratch)
    XCTAssertNil(try PackWriter.prepare(plan, path))
    try PackWriter(plan, path).write(1)
    XCTAssertEqual(try PackWriter.prepare(plan, path), .images(1))
    let writer = try PackWriter(plan, path)
    XCTAssertEqual(writer.missing, [0, 2])
    // It can be opened, and says what it lacks.
    let partial = try PackedFile(path + ".partial")
    assert(
      message { try PackedSet(partial, list: "all.txt", classes: 5, labeled: false).requireComplete() },
      names: "/all.txt, line 1", "images/",
      "never been written", "u2pl data pack")
    for index in writer.missing { try writer.write(index) }
    for index in 0..<plan.count { try writer.verify(index) }
    try writer.publish()
    XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: path)), whole)
  }

  func testAFileOfOtherImagesIsBegunAnew() throws {
    let scratch = try source()
    let path = scratch.path + "/packed.h5"
    let before = try plan(scratch)
    _ = try PackWriter.prepare(before, path)
    try PackWriter(before, path).write(0)
    try scratch.write("splits/labeled.txt", "b\n".utf8)
    let after = try plan(scratch)
    assert(message { try PackWriter(after, path) }, names: "packed.h5.partial", "other images or lists")
    guard case .other(let problem)? = try PackWriter.prepare(after, path) else { return XCTFail("not begun anew") }
    assert(problem, names: "other images or lists")
    XCTAssertEqual(try PackWriter(after, path).missing.count, after.count)
  }

  func testWhatCannotBePacked() throws {
    let scratch = try source()
    let path = scratch.path + "/packed.h5"
    let plan = try plan(scratch)
    _ = try PackWriter.prepare(plan, path)
    let writer = try PackWriter(plan, path)
    try scratch.write("SegmentationClass/a.png", PNG.grey8(height: 14, width: 20) { _, _ in 1 } + [0])
    assert(message { try writer.write(0) }, names: "labeled.txt, line 1", "a.png", "has changed")
    try scratch.write("JPEGImages/b.png", PNG.grey8(height: 2, width: 2) { _, _ in 1 })
    let changed = try self.plan(scratch)
    _ = try PackWriter.prepare(changed, path)
    assert(message { try PackWriter(changed, path).write(1) }, names: "line 2", "b.png", "2×2", "20×14")
    // Two commands must not write one file at once.
    let first = try PackWriter(changed, path), second = try PackWriter(changed, path)
    try first.lock()
    assert(message { try second.lock() }, names: "packed.h5.partial", "another u2pl data pack")
    assert(
      message { try PackWriter.prepare(changed, "/nowhere/x.h5") }, names: "/nowhere", "cannot be written to")
  }

  /// Whatever byte of an image or mask is changed, its reader notices; verification marks it as missing.
  func testDamage() throws {
    let scratch = try source()
    let path = try pack(scratch)
    let good = try Data(contentsOf: URL(fileURLWithPath: path))
    let mask = Data(PNG.grey8(height: 14, width: 20) { x, y in x == 3 ? 255 : UInt8((x + y + 1) % 5) })
    let place = try XCTUnwrap(good.range(of: mask))
    for offset in [0, mask.count / 2, mask.count - 1] {
      var bad = good
      bad[place.lowerBound + offset] ^= 4
      try bad.write(to: URL(fileURLWithPath: path))
      let set = try PackedSet(PackedFile(path), list: "splits/labeled.txt", classes: 5, labeled: true)
      XCTAssertNoThrow(try set.check(0))
      assert(message { try set.check(1) }, names: "packed.h5: labels/b", "checksum does not match")
      assert(message { try set.labels(1) }, names: "packed.h5: labels/b", "checksum does not match")
    }
    var bad = good
    bad[place.lowerBound] ^= 4
    try bad.write(to: URL(fileURLWithPath: path + ".partial"))
    let plan = try plan(scratch)
    let writer = try PackWriter(plan, path)
    XCTAssertEqual(writer.missing, [])
    assert(message { try writer.verify(1) }, names: "labels/b", "not what was written")
    XCTAssertEqual(try PackWriter(plan, path).missing, [1])
    for length in [0, 7, 600, good.count / 2] {
      try good.prefix(length).write(to: URL(fileURLWithPath: path))
      assert(
        message {
          let set = try PackedSet(PackedFile(path), list: "splits/labeled.txt", classes: 5, labeled: true)
          try set.requireComplete()
          return try set.check(1)
        }, names: "packed.h5")
    }
    assert(message { try PackedFile(scratch.path + "/none.h5") }, names: "none.h5", "No such file")
    assert(message { try PackedFile(scratch.path) }, names: scratch.path, "not a file")
  }

  /// Pixels as other programs store them: in chunks, without names and checksums.
  func testPixelsOfOtherPrograms() throws {
    let scratch = try Scratch(self)
    let path = scratch.path + "/other.h5"
    let pixels = (0..<5 * 4 * 3).map { UInt8($0) }, labels = (0..<5 * 4).map { UInt8($0 % 3) }
    try HDF5.run {
      var file = try HDF5Writer(new: path, Place(file: path, advice: ""))
      try file.write(StoredDataset(shape: [5, 4, 3], values: .uint8(pixels)), at: "images/deep/one")
      try file.write(StoredDataset(shape: [5, 4], values: .uint8(labels)), at: "labels/deep/one")
      try file.close()
    }
    try scratch.write("list.txt", "one\n".utf8)
    let set = try PackedSet(PackedFile(path), list: "list.txt", classes: 3, labeled: true)
    XCTAssertEqual(try set.labeledImage(0).image, Raster(height: 5, width: 4, pixels: pixels))
    XCTAssertEqual(try set.labels(0).values, labels)
    let size = try set.check(0)
    XCTAssertEqual([size.height, size.width], [5, 4])
    let two = try PackedSet(PackedFile(path), list: "list.txt", classes: 2, labeled: true)
    assert(message { try two.check(0) }, names: "other.h5: labels/deep/one", "value 2", "2 classes")
    try HDF5.run {
      var file = try HDF5Writer(new: path, Place(file: path, advice: ""))
      try file.write(StoredDataset(shape: [1], values: .uint8([1])), at: "pictures/a")
      try file.close()
    }
    assert(message { try PackedFile(path) }, names: "other.h5", "no group /images", "/pictures")
  }

  /// Many threads at once, while HDF5's lock is held as by a checkpoint being written.
  func testReadingNeedsNoLock() throws {
    let scratch = try source()
    let set = try PackedSet(
      PackedFile(try pack(scratch)), list: "splits/labeled.txt", classes: 5, labeled: true)
    let expected = try (0..<2).map { try set.labeledImage($0).image }
    let done = DispatchSemaphore(value: 0)
    try HDF5.run {
      for thread in 0..<4 {
        Thread.detachNewThread {
          for round in 0..<50 {
            let index = (thread + round) % 2
            XCTAssertEqual(try? set.labeledImage(index).image, expected[index])
          }
          done.signal()
        }
      }
      for _ in 0..<4 { XCTAssertEqual(done.wait(timeout: .now() + 20), .success) }
    }
  }
}
