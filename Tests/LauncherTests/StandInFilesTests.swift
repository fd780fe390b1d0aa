import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// Files in whose place something else lies: pointers of stores of large files, the rest of a download, values that are in
/// other files. Each is named for what it is, in every place that takes a file.
final class StandInFilesTests: CommandTestCase {
  private let pointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 99\n"
  private let says = ["the pointer of Git LFS, not the ", "git lfs pull"]

  override func setUpWithError() throws {
    try super.setUpWithError()
    for name in "abcd" {
      try write("data/images/\(name).jpg", JPEG.color)
      try write("data/labels/\(name).png", [])
      try ImageFile.writePNG(
        LabelMap(height: 14, width: 20, values: (0..<280).map { UInt8($0 % 4) }), palette: nil,
        to: path("data/labels/\(name).png"))
    }
    try write("data/labeled.txt", "a\nb\n")
    try write("data/unlabeled.txt", "c\n")
    try write("data/val.txt", "d\n")
    try write("data/classes.txt", "sky\ntree\nroad\ncar\n")
    try write("mine.yaml", tinyConfiguration(data: Self.data))
  }

  private static let data =
    "{kind: folder, root: data, labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt}"

  /// In each case all commands that read the file say what it is, and none begins.
  private func assertNamed(_ name: String, _ more: [[String]] = [], line: UInt = #line) throws {
    let good = FileManager.default.contents(atPath: path(name))
    try write(name, pointer)
    for command in [training("run", config: "mine.yaml")] + more {
      try assertRefused(command, at: [nil], saying: [name] + says, line: line)
    }
    try good.map { try write(name, $0) }
  }

  func testPointersInThePlacesOfInputs() throws {
    let check = ["data", "check", "mine.yaml"]
    for name in ["images/a.jpg", "labels/b.png", "labeled.txt", "unlabeled.txt", "val.txt"] {
      try assertNamed("data/\(name)")
      let good = try XCTUnwrap(FileManager.default.contents(atPath: path("data/\(name)")))
      try write("data/\(name)", pointer)
      let outcome = try run(check)
      XCTAssertEqual(outcome.status, 2, outcome.summary)
      for part in says { XCTAssertTrue(outcome.output.contains(part), outcome.summary) }
      try write("data/\(name)", good)
    }
    try assertNamed("data/classes.txt", [check])
    try assertNamed("mine.yaml", [check])
    try write("pointer.txt", pointer)
    try assertRefused(
      ["data", "split", "pointer.txt", "-o", "lists", "--labeled", "1"], at: [nil], saying: ["pointer.txt"] + says)
    try train("run", config: "mine.yaml")
  }

  private func train(_ name: String, config: String) throws {
    let outcome = try run(training(name, ["schedule.epochs=1"], config: config))
    XCTAssertEqual(outcome.status, 0, outcome.summary)
  }

  func testPointersInThePlacesOfWeightsCheckpointsAndPackedFiles() throws {
    for name in ["w.safetensors", "w.h5", "w.pth"] {
      try write(name, pointer)
      try assertRefused(training("run", ["model.weights=\(name)"]), at: [nil], saying: [name] + says)
      for command in ["show", "import"] {
        let arguments = ["weights", command, name] + (command == "import" ? ["-o", "out.h5"] : [])
        try assertRefused(arguments, at: [nil], saying: [name] + says)
      }
    }
    try assertRefused(training("run") + ["--resume", "w.h5"], at: [nil], saying: ["w.h5"] + says)
    for command in [
      ["evaluate", "--checkpoint", "w.h5"], ["inspect", "w.h5"],
      ["predict", "--checkpoint", "w.h5", "-o", "o", "data"],
    ] {
      try assertRefused(command, at: [nil], saying: ["w.h5"] + says)
    }
    let packed = ["data.kind=hdf5", "data.root=w.h5", "data.classes=4"]
    try assertRefused(training("run", packed, config: "mine.yaml"), at: [nil], saying: ["w.h5"] + says)
    // A link of git-annex, whose file was not fetched.
    XCTAssertEqual(symlink(".git/annex/objects/Xk/SHA256E-s3--1f.h5", path("annex.h5")), 0)
    try assertRefused(
      training("run", ["model.weights=annex.h5"]), at: [nil],
      saying: "annex.h5", "git-annex has not fetched the file: git annex get annex.h5")
  }

  /// As a copy or a download leaves them that broke off.
  func testFilesThatAreCutShort() throws {
    let pack = try run(["data", "pack", "mine.yaml", "-o", "whole.h5"])
    XCTAssertEqual(pack.status, 0, pack.summary)
    let whole = try XCTUnwrap(FileManager.default.contents(atPath: path("whole.h5")))
    for count in [whole.count - 1, whole.count / 2, 600] {
      try write("short.h5", whole.prefix(count))
      try assertRefused(
        training("run", ["data.kind=hdf5", "data.root=short.h5", "data.classes=4"], config: "mine.yaml"), at: [nil],
        saying: "short.h5: is cut short: \(count) of \(whole.count) bytes are there; copy or download it again")
    }
    try python(
      """
      import h5py, numpy as np, sys
      with h5py.File(sys.argv[1], "w") as f: f["student/encoder.conv1.0.weight"] = np.zeros((16, 3, 3, 3), "f4")
      data = open(sys.argv[1], "rb").read(); open(sys.argv[1], "wb").write(data[:-100])
      """, path("w.h5"))
    try assertRefused(
      training("run", ["model.weights=w.h5"]), at: [nil], saying: "w.h5: is cut short: ", " bytes are there")
    // Room was made for a file that has not come.
    try write("zeros.safetensors", [UInt8](repeating: 0, count: 4096))
    try assertRefused(
      training("run", ["model.weights=zeros.safetensors"]), at: [nil], saying: "zeros.safetensors: begins with zeros")
    try write("page.safetensors", "<!DOCTYPE html>\n<html><body>404</body></html>\n")
    try assertRefused(
      training("run", ["model.weights=page.safetensors"]), at: [nil], saying: "page.safetensors: is a web page")
    try write("w.pth.tar.gz", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3])
    try assertRefused(
      training("run", ["model.weights=w.pth.tar.gz"]), at: [nil], saying: "w.pth.tar.gz: is a gzip archive; unpack it")
    try assertRefused(
      training("run", ["model.weights=data"]), at: [nil], saying: "data: is not a file, but a folder; name a file in it"
    )
  }

  /// Values that an HDF5 file only refers to. The library would read zeros where they are missing.
  func testValuesInOtherFiles() throws {
    try python(
      """
      import h5py, numpy as np, os, sys
      os.chdir(sys.argv[1])
      images, labels = np.zeros((14, 20, 3), np.uint8), np.zeros((14, 20), np.uint8)
      with h5py.File("source.h5", "w") as f: f["a"] = images
      layout = h5py.VirtualLayout(shape=images.shape, dtype=np.uint8)
      layout[:] = h5py.VirtualSource("source.h5", "a", shape=images.shape)
      def make(name, image):
          with h5py.File(name, "w") as f:
              for key in "abcd":
                  image(f, f"images/{key}")
                  f[f"labels/{key}"] = labels
      make("virtual.h5", lambda f, key: f.create_virtual_dataset(key, layout))
      raw = [("raw.bin", 0, images.size)]
      make("external.h5", lambda f, key: f.create_dataset(key, images.shape, np.uint8, external=raw))
      stack = h5py.VirtualLayout(shape=(4,) + images.shape, dtype=np.uint8)
      for n in range(4): stack[n] = h5py.VirtualSource(f"part{n}.h5", "a", shape=images.shape)
      with h5py.File("stack.h5", "w") as f:
          f.create_virtual_dataset("images", stack)
          f["labels"] = np.stack([labels] * 4)
      with h5py.File("w.h5", "w") as f:
          f.create_virtual_dataset("student/encoder.conv1.0.weight", layout)
      """, path("data"))
    func training(_ file: String) -> [String] {
      self.training("run", ["data.kind=hdf5", "data.root=data/\(file)", "data.classes=4"], config: "mine.yaml")
    }
    let remedy = "h5repack -l CONTI IN OUT"
    // With their source and without it.
    for _ in 0..<2 {
      try assertRefused(
        training("virtual.h5"), at: [nil], saying: "data/labeled.txt, line 1: ",
        "virtual.h5: '/images/a': is a virtual dataset",
        "(source.h5)", remedy)
      try assertRefused(
        self.training("run", ["model.weights=data/w.h5"]), at: [nil],
        saying: "w.h5: '/student/encoder.conv1.0.weight': is a virtual",
        "(source.h5)", remedy)
      try? FileManager.default.removeItem(atPath: path("data/source.h5"))
    }
    try assertRefused(
      training("external.h5"), at: [nil], saying: "'/images/a': has its values in external storage", "(raw.bin)", remedy
    )
    try assertRefused(
      training("stack.h5"), at: [nil], saying: "stack.h5: '/images': is a virtual dataset",
      "(part0.h5, part1.h5, part2.h5 and 1 more)")
  }
}
