import Dataset
import Foundation
import TestSupport
import XCTest

/// Training, evaluation and prediction on volumes: the same bits on any number of ranks, and in any format.
final class VolumeRunTests: CommandTestCase {
  private func volumes(_ directory: String, _ more: [String] = []) throws {
    let outcome = try run(
      [
        "data", "shapes", "--volumes", "-o", directory, "--size", "33", "--slices", "3", "--labeled", "2",
        "--unlabeled", "2",
        "--validation", "2",
      ] + more)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
  }

  /// - Parameter channels: of the images.
  private func configuration(_ root: String, channels: Int = 1) -> String {
    tinyConfiguration(
      data: "{kind: folder, root: \(root), labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt, "
        + "channels: \(channels), range: [-1000, 1300]}"
    )
    .replacing("{labeled: 2, unlabeled: 2}", with: "{labeled: 4, unlabeled: 4}")
    .replacing("color: [0.3, 0.3, 0.3, 0.1]", with: "color: [0.3, 0.3, 0, 0]")
    .replacing("epochs: 3, steps_per_epoch: 2", with: "epochs: 2, steps_per_epoch: 2")
  }

  func testGeneratedVolumesAreTheSameEachTime() throws {
    try volumes("a")
    try volumes("b")
    try volumes("c", ["--seed", "1"])
    for name in [
      "images/labeled-000.nii.gz", "labels/labeled-001.nii.gz", "images/val-000.nii.gz", "labeled.txt", "classes.txt",
    ] {
      XCTAssertTrue(FileManager.default.contentsEqual(atPath: path("a/\(name)"), andPath: path("b/\(name)")), name)
    }
    XCTAssertFalse(
      FileManager.default.contentsEqual(
        atPath: path("a/images/labeled-000.nii.gz"), andPath: path("c/images/labeled-000.nii.gz")))
    XCTAssertEqual(try lines(of: "a/labeled.txt"), ["labeled-000", "labeled-001"])
  }

  func testTheSameBitsOnAnyNumberOfRanks() throws {
    try volumes("v")
    try write("tiny.yaml", configuration("v"))
    for ranks in [nil, 2, 4] { try train("ranks-\(ranks ?? 1)", ["checkpoint.every_steps=2"], ranks: ranks) }
    try assertSame("ranks-1", "ranks-2", lastStep: 4)
    try assertSame("ranks-1", "ranks-4", lastStep: 4)
    // A resume goes on with the same digits.
    try train(
      "resumed", ["checkpoint.every_steps=2"], ranks: 2, options: ["--resume", checkpoint("ranks-1", step: 2)])
    XCTAssertTrue(
      FileManager.default.contentsEqual(
        atPath: checkpoint("ranks-1", step: 4), andPath: checkpoint("resumed", step: 4)))

    // Packed into one file, with its lists or with those of the volumes, the images are the same.
    let packed = try run(["data", "pack", "tiny.yaml", "-o", "packed.h5"], ranks: 2)
    XCTAssertEqual(packed.status, 0, packed.summary)
    XCTAssertTrue(packed.output.contains("--set data.channels=1"), packed.output)
    try train("packed", ["data.kind=hdf5", "data.root=packed.h5", "data.classes=[background, organ, lesion]"])
    XCTAssertEqual(try metrics("packed"), try metrics("ranks-1"))
    let distances = try ["ranks-1", "packed"].map { name in
      let outcome = try run(["evaluate", "--checkpoint", "\(name)/checkpoints/latest", "--hausdorff"])
      return outcome.output.split(separator: "\n").filter { $0.contains("HD95") }
    }
    XCTAssertFalse(distances[0].isEmpty)
    XCTAssertEqual(distances[0], distances[1], "the packed file has the volumes' spacing")
    try train(
      "lists",
      ["data.kind=hdf5", "data.root=packed.h5", "data.classes=[background, organ, lesion]"]
        + ["labeled", "unlabeled"].map { "data.\($0)=v/\($0).txt" } + ["data.validation=v/val.txt"])
    XCTAssertEqual(try metrics("lists"), try metrics("ranks-1"))

    let evaluate = ["evaluate", "--checkpoint", "ranks-1/checkpoints/latest", "--hausdorff", "--cases"]
    for ranks in [nil, 2] {
      let outcome = try run(evaluate + ["cases-\(ranks ?? 1).csv"], ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertTrue(outcome.output.contains("(2 volumes)"), outcome.output)
      XCTAssertTrue(outcome.output.contains(/HD95 background +[0-9.]+ ± [0-9.]+ mm/), outcome.output)
    }
    XCTAssertEqual(try lines(of: "cases-1.csv"), try lines(of: "cases-2.csv"))
    XCTAssertEqual(try lines(of: "cases-1.csv").count, 1 + 2 * 3)

    for ranks in [nil, 2] {
      let out = "out-\(ranks ?? 1)"
      let outcome = try run(
        ["predict", "--checkpoint", "ranks-1/checkpoints/latest", "v/images", "-o", out], ranks: ranks)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
    }
    for name in ["labeled-000", "unlabeled-001", "val-001"] {
      let file = "index/\(name).nii.gz"
      XCTAssertTrue(
        FileManager.default.contentsEqual(atPath: path("out-1/\(file)"), andPath: path("out-2/\(file)")), file)
    }
    // A prediction is a mask of the volume: as one, the network is right everywhere.
    try write("pairs.txt", "images/val-000.nii.gz\tlabels/predicted.nii.gz\n")
    try FileManager.default.copyItem(
      atPath: path("out-1/index/val-000.nii.gz"), toPath: path("v/labels/predicted.nii.gz"))
    let outcome = try run(
      ["evaluate", "--checkpoint", "ranks-1/checkpoints/latest", "--set", "data.validation=\(path("pairs.txt"))"])
    XCTAssertTrue(outcome.output.contains("pixel accuracy 100.00 %"), outcome.summary)
  }

  /// The same volumes as NIfTI, TIFF, NumPy arrays and HDF5; then images of 4 and 13 channels.
  func testTheSameBitsInEveryFormat() throws {
    let peer = try PythonPeer(modules: "nibabel, tifffile, imagecodecs, h5py")
    try volumes("nii")
    let script = """
      import sys, os, shutil, glob, numpy as np, nibabel, tifffile, h5py
      os.chdir(sys.argv[1])
      formats = ['tif', 'npy', 'h5', 'pairs', 'tif4', 'tif13']
      for name in formats:
          os.makedirs(name + '/images'); os.makedirs(name + '/labels')
          for f in ('labeled.txt', 'unlabeled.txt', 'val.txt', 'classes.txt'): shutil.copy('nii/' + f, name + '/' + f)
      for path in sorted(glob.glob('nii/*/*.nii.gz')):
          _, folder, file = path.split('/')
          name = folder + '/' + file[:-7]
          data = np.asanyarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
          tifffile.imwrite('tif/' + name + '.tif', data, photometric='minisblack', compression='lzw')
          np.save('npy/' + name + '.npy', np.asfortranarray(data.astype(data.dtype.newbyteorder('>'))))
          with h5py.File('h5/' + name + '.h5', 'w') as f:
              f.create_dataset('image' if folder == 'images' else 'label', data=data, compression='gzip')
          with h5py.File('pairs/images/' + file[:-7] + '.h5', 'a') as f:
              f.create_dataset('image' if folder == 'images' else 'label', data=data, chunks=True)
          if folder == 'labels':
              for kind in ('tif4', 'tif13'): shutil.copy('tif/' + name + '.tif', kind + '/' + name + '.tif')
          else:
              four = np.stack([data, data[::-1], -data, data + 10], -1).astype('f4') / 3
              tifffile.imwrite('tif4/' + name + '.tif', four, photometric='minisblack', planarconfig='contig',
                               extrasamples=['unspecified'] * 3, tile=(16, 16), compression='zlib', predictor=True)
              many = np.stack([data.astype('i4') + 1100 + 9 * i for i in range(13)], -1).astype('u2')
              tifffile.imwrite('tif13/' + name + '.tif', many, photometric='minisblack', planarconfig='contig',
                               extrasamples=['unspecified'] * 12)
      """
    let result = try peer.run(["-c", script, directory])
    XCTAssertEqual(result.status, 0, result.output)
    for root in ["nii", "tif", "npy", "h5", "pairs"] {
      try write("tiny.yaml", configuration(root))
      try train("run-\(root)")
      XCTAssertEqual(try metrics("run-\(root)"), try metrics("run-nii"), root)
    }
    for (root, channels) in [("tif4", 4), ("tif13", 13)] {
      try write("tiny.yaml", configuration(root, channels: channels))
      let every = ["checkpoint.every_steps=2"]
      for (name, ranks) in [("run-\(root)", nil), ("run-\(root)-2", 2), ("run-\(root)-4", 4)] {
        try train(name, every, ranks: ranks)
        try assertSame("run-\(root)", name, lastStep: 4)
      }
      try train("resumed-\(root)", every, ranks: 2, options: ["--resume", checkpoint("run-\(root)-4", step: 2)])
      XCTAssertTrue(
        FileManager.default.contentsEqual(
          atPath: checkpoint("run-\(root)", step: 4), andPath: checkpoint("resumed-\(root)", step: 4)))
      let latest = "run-\(root)/checkpoints/latest"
      let evaluated = try [nil, 4].map { ranks in
        let outcome = try run(["evaluate", "--checkpoint", latest, "--cases", "\(root).csv"], ranks: ranks)
        XCTAssertEqual(outcome.status, 0, outcome.summary)
        return try lines(of: "\(root).csv")
      }
      XCTAssertEqual(evaluated[0], evaluated[1])
      for ranks in [nil, 2] {
        let out = "out-\(root)-\(ranks ?? 1)"
        let outcome = try run(["predict", "--checkpoint", latest, "\(root)/images", "-o", out], ranks: ranks)
        XCTAssertEqual(outcome.status, 0, outcome.summary)
      }
      for name in ["labeled-000", "val-001"] {
        let file = "index/\(name).tif"
        XCTAssertTrue(
          FileManager.default.contentsEqual(
            atPath: path("out-\(root)-1/\(file)"), andPath: path("out-\(root)-2/\(file)")), file)
      }
      let export = try run(["weights", "export", latest, "-o", "\(root).safetensors"])
      XCTAssertEqual(export.status, 0, export.summary)
    }
  }

  func testVolumesStayTogether() throws {
    try volumes("v")
    try write("tiny.yaml", configuration("v"))
    try write("v/val.txt", "val-000\nlabeled-001#2\n")
    try assertRefused(
      training("refused"), saying: "val.txt, line 2: labeled-001#2 is for validation, and labeled-001#0",
      "of the same volume", "is labeled")
    // By an expression, volumes are of one patient.
    try write("v/val.txt", "val-000\n")
    try assertRefused(
      training("refused", ["data.group='-(0)'"]), saying: "of the same group, 0, is labeled")

    // Unlabeled slices of a volume that is for validation have no labels to leak, which is a warning.
    try write("v/unlabeled.txt", "unlabeled-000\nval-000#1\nunlabeled-001\n")
    let mixed = try train("mixed")
    XCTAssertTrue(
      mixed.output.contains("1 volume or group has unlabeled and validation images")
        || mixed.errors.contains("1 volume or group has unlabeled and validation images"), mixed.summary)

    try write("lines.txt", (0..<4).flatMap { v in (0..<6).map { "case\(v).nii.gz#\($0)\n" } }.joined())
    let outcome = try run(["data", "split", "lines.txt", "-o", "lists", "--labeled", "1/4", "--validation", "3"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let parts = try ["lists/val.txt", "lists/5/labeled.txt", "lists/5/unlabeled.txt"].map { try lines(of: $0) }
    XCTAssertEqual(parts.map(\.count), [6, 6, 12])
    let cases = parts.map { Set($0.map { $0.prefix { $0 != "#" } }) }
    XCTAssertEqual(cases.map(\.count), [1, 1, 2])
    XCTAssertEqual(cases[0].union(cases[1]).union(cases[2]).count, 4)
  }
}
