import Dataset
import Foundation
import HDF5
import TestSupport
import Transforms
import XCTest

/// Volumes in lists and folders: each slice is an item.
final class VolumeSetTests: XCTestCase {
  /// A NumPy array of int16: value 100 · slice + 10 · row + column; or uint8, slice mod 2.
  private func array(_ slices: Int, mask: Bool = false, height: Int = 4, width: Int = 5) -> [UInt8] {
    var header =
      "{'descr': '\(mask ? "|u1" : "<i2")', 'fortran_order': False, 'shape': (\(slices), \(height), \(width)), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    var bytes = [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8)
    for slice in 0..<slices {
      for row in 0..<height {
        for column in 0..<width {
          let value = mask ? slice % 2 : 100 * slice + 10 * row + column - 7
          bytes.append(UInt8(truncatingIfNeeded: value))
          if !mask { bytes.append(UInt8(truncatingIfNeeded: value >> 8)) }
        }
      }
    }
    return bytes
  }

  private func scratch(list: String) throws -> Scratch {
    let scratch = try Scratch(self)
    for (name, slices) in [("p1", 3), ("p2", 2), ("deep/one", 1)] {
      try scratch.write("images/\(name).npy", array(slices))
      try scratch.write("labels/\(name).npy", array(slices, mask: true))
    }
    try scratch.write("list.txt", list.utf8)
    return scratch
  }

  private func open(_ scratch: Scratch, _ list: String = "list.txt", labeled: Bool = true) throws -> FileSet {
    try FileSet(
      root: scratch.path, list: list, layout: .folder, classes: 2, form: ImageForm(channels: 1, isWhole: true),
      labeled: labeled)
  }

  func testEveryFormOfALine() throws {
    let forms: [(line: String, items: [(identifier: String, slice: Int)])] = [
      ("p1#2", [("p1#2", 2)]), ("p1.npy#1", [("p1#1", 1)]), ("images/p1.npy#0", [("p1#0", 0)]),
      ("p1", [("p1#0", 0), ("p1#1", 1), ("p1#2", 2)]), ("images/p2.npy", [("p2#0", 0), ("p2#1", 1)]),
      ("deep/one", [("deep/one", 0)]), ("deep/one#0", [("deep/one", 0)]),
      ("images/p1.npy#2 labels/p1.npy#2", [("images/p1.npy#2", 2)]),
      ("images/p1.npy#1\tlabels/p1.npy", [("images/p1.npy#1", 1)]),
      ("images/p2.npy labels/p2.npy", [("images/p2.npy#0", 0), ("images/p2.npy#1", 1)]),
    ]
    for (line, items) in forms {
      let set = try open(scratch(list: line))
      XCTAssertEqual(set.problems.map(\.description), [], line)
      XCTAssertEqual((0..<set.count).map(set.identifier), items.map(\.identifier), line)
      for (index, item) in items.enumerated() where index < set.count {
        let (image, labels) = try set.labeledImage(index)
        XCTAssertEqual(
          image.values, .int16((0..<20).map { Int16(100 * item.slice + 10 * ($0 / 5) + $0 % 5 - 7) }), line)
        XCTAssertEqual(labels.values, [UInt8](repeating: UInt8(item.slice % 2), count: 20), line)
        let size = try set.check(index)
        XCTAssertEqual([size.height, size.width], [4, 5])
        XCTAssertEqual(set.volume(index) != nil, !line.hasPrefix("deep"), line)
      }
      // Lines of single items name the same again.
      let again = try open(scratch(list: (0..<set.count).map(set.line).joined(separator: "\n")))
      XCTAssertEqual((0..<again.count).map(again.identifier), items.map(\.identifier), line)
    }
  }

  func testAFolderIsAListOfAllSlices() throws {
    let scratch = try scratch(list: "p1")
    // A picture goes before a volume of the same name.
    try scratch.write("images/p3.png", PNG.grey8(height: 4, width: 5) { _, _ in 1 })
    try scratch.write("images/p3.npy", array(9))
    let set = try open(scratch, "images", labeled: false)
    XCTAssertEqual((0..<set.count).map(set.identifier), ["p1#0", "p1#1", "p1#2", "p2#0", "p2#1", "p3"])
    XCTAssertEqual(set.volume(1)?.file, "\(scratch.path)/images/p1.npy")
    XCTAssertNotEqual(set.stamp(0), set.stamp(1))
  }

  func testWhatIsWrongIsSaidWithTheLine() throws {
    for (line, words) in [
      ("p1#3", "images/p1.npy: has no slice 3: its slices are 0 to 2"), ("nothing#1", "image nothing#1 does not exist"),
      ("bad", "bad.npy has 3 slices, and its mask"), ("damaged", "damaged.npy: is cut short"),
      ("plain#1", "plain.png: is one image, and has no slice 1; leave #1 out"),
    ] {
      let scratch = try scratch(list: "p2\n\(line)")
      try scratch.write("images/bad.npy", array(3))
      try scratch.write("labels/bad.npy", array(2, mask: true))
      try scratch.write("images/damaged.npy", array(3).dropLast())
      try scratch.write("labels/damaged.npy", array(3, mask: true))
      try scratch.write("images/plain.png", PNG.grey8(height: 4, width: 5) { _, _ in 1 })
      try scratch.write("labels/plain.png", PNG.grey8(height: 4, width: 5) { _, _ in 1 })
      let set = try open(scratch)
      let text = set.problems.first?.description ?? "nothing"
      XCTAssertTrue(text.contains("list.txt, line 2: ") && text.contains(words), text)
      XCTAssertEqual(set.count, 2)
    }
    // Of another size, and in colour.
    let scratch = try scratch(list: "p1")
    try scratch.write("labels/p1.npy", array(3, mask: true, height: 5, width: 4))
    let message = { (body: () throws -> Void) in
      do {
        try body()
        return "nothing"
      } catch { return "\(error)" }
    }
    let set = try open(scratch)
    XCTAssertTrue(message { try set.check(0) }.contains("the image is 5×4 pixels but the mask 4×5"))
    let color = try FileSet(root: scratch.path, list: "list.txt", layout: .folder, classes: 2, labeled: false)
    XCTAssertTrue(
      message { _ = try color.image(0) }.contains("holds values of type int16"), message { _ = try color.image(0) })
  }

  /// NIfTI-1 without compression, uint8, of 2×2×2 voxels: the third axis upwards, or downwards; sliced along an axis.
  private func nifti(slicesAlong axis: UInt8 = 0, down: Bool = false, placed: Bool = true) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: 352)
    func put(_ value: some FixedWidthInteger, _ at: Int) {
      withUnsafeBytes(of: value.littleEndian) { header.replaceSubrange(at..<at + $0.count, with: $0) }
    }
    put(Int32(348), 0)
    header[39] = axis << 4
    for (index, extent) in [3, 2, 2, 2, 1, 1, 1, 1].enumerated() { put(Int16(extent), 40 + 2 * index) }
    put(Int16(2), 70)
    put(Int16(8), 72)
    for index in 0..<4 { put(Float(1).bitPattern, 76 + 4 * index) }
    put(Float(352).bitPattern, 108)
    if placed {
      put(Int16(1), 254)
      for (row, at) in [280, 296, 312].enumerated() {
        put(Float(row == 2 && down ? -1 : 1).bitPattern, at + 4 * row)
      }
    }
    header.replaceSubrange(344..<348, with: Array("n+1\0".utf8))
    return header + [0, 1, 0, 1, 1, 0, 1, 0]
  }

  func testAMaskRunsAsItsImage() throws {
    for (image, mask, words) in [
      (nifti(), nifti(), ""), (nifti(), nifti(placed: false), ""), (nifti(slicesAlong: 3), nifti(), ""),
      (nifti(slicesAlong: 1), nifti(), "has its slices along axis 1, and its mask"),
      (nifti(), nifti(down: true), "slices run upwards, rows to the front, columns to the right, but in its mask"),
    ] {
      let scratch = try scratch(list: "v")
      try scratch.write("images/v.nii", image)
      try scratch.write("labels/v.nii", mask)
      let set = try open(scratch)
      let text = set.problems.first?.description ?? ""
      XCTAssertEqual(text.isEmpty, words.isEmpty, text)
      guard !words.isEmpty else { continue }
      for part in [words, "list.txt, line 1", "images/v.nii", "labels/v.nii", "as_closest_canonical"] {
        XCTAssertTrue(text.contains(part), "lacks '\(part)': \(text)")
      }
    }
  }

  func testAnImageIsNotItsOwnMask() throws {
    for (names, words) in [
      (["image"], "its dataset 'image' is the image, and there is no mask"), (["image", "label"], ""),
      (["label"], "its dataset 'label' is the image"),
    ] {
      for line in ["v", "images/v.h5\timages/v.h5"] {
        let scratch = try scratch(list: line)
        try FileManager.default.createDirectory(atPath: scratch.path + "/images", withIntermediateDirectories: true)
        let path = scratch.path + "/images/v.h5"
        try HDF5.run {
          var file = try HDF5Writer(new: path, Place(file: path, advice: ""))
          for name in names {
            try file.write(StoredDataset(shape: [2, 2, 2], values: .uint8([0, 1, 1, 0, 0, 0, 1, 1])), at: name)
          }
          try file.close()
        }
        let text = try open(scratch).problems.first?.description ?? ""
        XCTAssertTrue(words.isEmpty ? text.isEmpty : text.contains(words), "\(names) \(line): \(text)")
      }
    }
  }

  func testGroupsOfLines() throws {
    let lines = [
      "a.nii.gz#0\tm.nii.gz#0", "a.nii.gz#1\tm.nii.gz#1", "a.nii.gz#2 m.nii.gz#2", "a.nii.gz#3",
      "my b.nii#0\tmy m.nii#0",
      "my b.nii#1\tmy m.nii#1", "my b.nii#2", "c.png d.png",
    ]
    let groups = try ImageGroups(lines: lines, nil)
    XCTAssertEqual(groups.numbers, [0, 0, 0, 0, 1, 1, 1, 2])
    XCTAssertEqual(groups.names[4], "my b.nii")
  }
}
