import Dataset
import Foundation
import HDF5
import TestSupport
import Transforms
import XCTest

/// `u2pl data pack`, killed and run again, by several ranks, and what it refuses.
final class DataPackTests: CommandTestCase {
  /// Images with masks in two folders.
  ///
  /// - Parameter padding: bytes behind the end of each image, which its reader does not look at.
  private func make(_ count: Int, padding: UInt64 = 0) throws {
    for folder in ["images", "labels"] {
      try FileManager.default.createDirectory(atPath: path("data/\(folder)"), withIntermediateDirectories: true)
    }
    let names = (0..<count).map { "image \($0)" }
    for name in names {
      let pixels = hashed(name, 24 * 24 * 3).map { UInt8($0 & 255) }
      try ImageFile.writePNG(Raster(height: 24, width: 24, pixels: pixels), to: path("data/images/\(name).png"))
      try ImageFile.writePNG(
        LabelMap(height: 24, width: 24, values: pixels.prefix(576).map { $0 % 4 }), palette: nil,
        to: path("data/labels/\(name).png"))
      guard padding > 0 else { continue }
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: path("data/images/\(name).png")))
      try file.truncate(atOffset: file.seekToEnd() + padding)
      try file.close()
    }
    try write("data/all.txt", names.joined(separator: "\n"))
    try write("data/val.txt", names.suffix(2).joined(separator: "\n"))
    try write(
      "pack.yaml",
      tinyConfiguration(
        data: "{kind: folder, root: data, labeled: all.txt, unlabeled: all.txt, validation: val.txt, classes: 4}"))
  }

  private func pack(_ file: String, _ more: [String] = [], ranks: Int? = nil) throws -> Command.Outcome {
    try run(["data", "pack", "pack.yaml", "-o", file] + more, ranks: ranks)
  }

  func testKilledAndRunAgain() throws {
    try make(300, padding: 400_000)
    let whole = try pack("whole.h5", ranks: 2)
    XCTAssertEqual(whole.status, 0, whole.summary)
    XCTAssertTrue(whole.output.contains("whole.h5: 300 images, 300 masks"), whole.output)
    XCTAssertTrue(whole.output.contains("--set data.kind=hdf5 --set data.root=whole.h5"), whole.output)
    var wentOn = 0
    for (attempt, ranks) in [nil, nil, nil, 2, 2].enumerated() {
      let file = "killed-\(attempt).h5"
      let command = try Command(["data", "pack", "pack.yaml", "-o", file], ranks: ranks, in: directory)
      while command.isRunning, !FileManager.default.fileExists(atPath: path("\(file).partial")) { usleep(500) }
      usleep(UInt32(attempt) * 25_000)
      command.kill()
      _ = command.wait(limit: patience)
      if FileManager.default.fileExists(atPath: path(file)) { continue }
      let again = try pack(file, ranks: ranks == nil ? 2 : nil)
      XCTAssertEqual(again.status, 0, again.summary)
      if again.output.contains("of 300 images already: going on") { wentOn += 1 }
      XCTAssertTrue(
        FileManager.default.contentsEqual(atPath: path(file), andPath: path("whole.h5")), "\(file) differs")
      XCTAssertFalse(FileManager.default.fileExists(atPath: path("\(file).partial")))
      try FileManager.default.removeItem(atPath: path(file))
    }
    XCTAssertGreaterThan(wentOn, 0, "no kill came in the middle")
  }

  func testWhatIsRefused() throws {
    try make(3)
    XCTAssertEqual(try pack("packed.h5").status, 0)
    try assertRefused(["data", "pack", "pack.yaml", "-o", "packed.h5"], saying: "packed.h5 exists", "--force")
    let replaced = try pack("packed.h5", ["--force"], ranks: 2)
    XCTAssertEqual(replaced.status, 0, replaced.summary)
    try assertRefused(
      ["data", "pack", "tiny.yaml", "-o", "x.h5"], saying: "data.kind shapes", "voc, cityscapes, folder")
    try assertRefused(["data", "pack", "pack.yaml", "-o", "no/x.h5"], saying: "no: cannot be written to")
    try write("data/all.txt", "image 0\nnone\n")
    try assertRefused(["data", "pack", "pack.yaml", "-o", "x.h5"], saying: "all.txt, line 2", "none does not exist")
    XCTAssertEqual(try run(["data", "pack", "pack.yaml"]).status, 64)
  }

  /// All damaged files are told; mended, packing goes on.
  func testDamagedImagesAreNotPacked() throws {
    try make(4)
    let good = try Data(contentsOf: URL(fileURLWithPath: path("data/images/image 1.png")))
    try good.dropLast(20).write(to: URL(fileURLWithPath: path("data/images/image 1.png")))
    try write("data/labels/image 2.png", JPEG.grey)
    for ranks in [nil, 2] {
      let outcome = try pack("packed.h5", ranks: ranks)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      for part in [
        "all.txt, line 2: data/images/image 1.png: is incomplete", "line 3: data/labels/image 2.png: a mask must",
      ] {
        XCTAssertTrue(outcome.output.contains(part), "lacks \(part): \(outcome.summary)")
      }
      XCTAssertTrue(outcome.errors.contains("not packed: 2 problems"), outcome.summary)
      XCTAssertFalse(FileManager.default.fileExists(atPath: path("packed.h5")))
    }
  }

  /// What docs/datasets.md tells users of Python.
  func testPythonReadsIt() throws {
    try make(3)
    XCTAssertEqual(try pack("packed.h5").status, 0)
    try python(
      """
      import h5py, sys
      with h5py.File(sys.argv[1]) as f:
          assert bytes(f["lists/all.txt"][()]).decode().split("\\n")[:3] == ["image 0", "image 1", "image 2"]
          assert f.attrs["format"] == "u2pl packed images" and f.attrs["format_version"] == 1
          for name in f["images"]:
              for kind in ["images", "labels"]:
                  assert f[f"{kind}/{name}"][()].tobytes() == open(f"{sys.argv[2]}/{kind}/{name}.png", "rb").read()
      """, path("packed.h5"), path("data"))
  }
}
