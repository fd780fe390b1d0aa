import Foundation
import XCTest

/// Packed files that h5py writes: what can be read computes what the same pixels in files compute; else a word that helps.
final class PackedArrayTests: CommandTestCase {
  /// Ten images, as PNG files in `plain` and in every form in `NAME.h5`; grey ones in `grey` and `flat.h5`.
  private func make() throws {
    try python(
      """
      import h5py, numpy as np, os, struct, sys, zlib
      os.chdir(sys.argv[1])
      def png(path, a):
          os.makedirs(os.path.dirname(path), exist_ok=True)
          def chunk(name, data): return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
          rows = b"".join(b"\\0" + r.tobytes() for r in a.reshape(a.shape[0], -1))
          head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], 8, 0 if a.ndim == 2 else 2, 0, 0, 0)
          open(path, "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
      r = np.random.default_rng(3)
      images = r.integers(0, 256, (10, 33, 40, 3)).astype(np.uint8)
      labels = np.where(r.integers(0, 9, (10, 33, 40)) == 0, 255, r.integers(0, 4, (10, 33, 40))).astype(np.uint8)
      names = [f"im{n}" for n in range(10)]
      for n, name in enumerate(names):
          for root, a in (("plain", images[n]), ("grey", images[n, :, :, 0])):
              png(f"{root}/images/{name}.png", a)
              png(f"{root}/labels/{name}.png", labels[n])
      def make(path, image=lambda a: a, label=lambda m: m, **how):
          with h5py.File(path, "w") as f:
              for n, name in enumerate(names):
                  f.create_dataset(f"images/{name}", data=image(images[n]), **how)
                  f.create_dataset(f"labels/{name}", data=label(labels[n]), **how)
      make("gzip.h5", compression="gzip", shuffle=True)
      make("chw.h5", lambda a: a.transpose(2, 0, 1))
      make("int64.h5", lambda a: a.astype(">i4"), lambda m: m.astype(np.int64))
      make("uint16.h5", lambda a: a.astype(np.uint16), lambda m: m.astype(np.uint16))
      make("float32.h5", lambda a: (a / 255).astype(np.float32), lambda m: m.astype(np.float64))
      make("float16.h5", lambda a: (a / 255).astype(np.float16), lambda m: m[None])
      make("flat.h5", lambda a: a[:, :, 0])
      make("channel.h5", lambda a: a[None, :, :, 0], compression="gzip")
      text = h5py.string_dtype()
      with h5py.File("stack.h5", "w") as f:
          f["images"], f["labels"], f["names"] = images, labels, np.array(names, dtype=text)
      with h5py.File("fixed.h5", "w") as f:
          f.create_dataset("images", data=images.transpose(0, 3, 1, 2), chunks=(4, 3, 33, 40), compression="gzip")
          f["labels"], f["names"] = labels.astype(np.int16), np.array(names, dtype="S6")
      with h5py.File("bool.h5", "w") as f: f["images/a"], f["labels/a"] = images[0], labels[0] == 1
      make("lzf.h5", compression="lzf")
      make("bytes.h5", lambda a: np.void(a.tobytes()))
      with h5py.File("vlen.h5", "w") as f:
          d = f.create_dataset("images/im0", (1,), dtype=h5py.vlen_dtype(np.uint8)); d[0] = images[0].ravel()
      with h5py.File("one.h5", "w") as f: f["images"] = images[0]
      with h5py.File("masks.h5", "w") as f:
          for n, name in enumerate(names): f[f"images/{name}"], f[f"masks/{name}"] = images[n], labels[n]
      # What wrote it has stopped early: HDF5 reads the rest as zeros.
      with h5py.File("early.h5", "w") as f:
          for which, a in (("images", images), ("labels", labels)):
              d = f.create_dataset(which, a.shape, a.dtype, chunks=(1,) + a.shape[1:], compression="gzip")
              d[:4] = a[:4]
          f["names"] = np.array(names, dtype=text)
      with h5py.File("half.h5", "w") as f:
          d = f.create_dataset("images/im0", images[0].shape, np.uint8, chunks=(11, 40, 3), compression="gzip")
          d[:11] = images[0][:11]
          f["labels/im0"] = labels[0]
      """, directory)
    try write("labeled.txt", "im0\nim1\nim2\nim3\n")
    try write("unlabeled.txt", "im4\nim5\nim6\nim7\n")
    try write("val.txt", "im8\nim9\n")
    let lists = "labeled: labeled.txt, unlabeled: unlabeled.txt, validation: val.txt, classes: 4"
    try write("mine.yaml", tinyConfiguration(data: "{kind: folder, root: plain, \(lists)}"))
  }

  private func settings(_ file: String) -> [String] { ["data.kind=hdf5", "data.root=\(file)"] }

  private func check(_ settings: [String], ranks: Int? = nil) throws -> Command.Outcome {
    try run(["data", "check", "mine.yaml"] + settings.flatMap { ["--set", $0] }, ranks: ranks)
  }

  func testTheSameBitsAsFromFiles() throws {
    try make()
    for (root, files) in [
      ("plain", ["gzip", "chw", "int64", "uint16", "float32", "float16", "stack", "fixed"]),
      ("grey", ["flat", "channel"]),
    ] {
      let expected = try run(training(root, ["data.root=\(root)"], config: "mine.yaml"))
      XCTAssertEqual(expected.status, 0, expected.summary)
      XCTAssertEqual(try metrics(root).count, 9)
      let evaluate = ["evaluate", "--checkpoint", "\(root)/checkpoints/latest"]
      let table = try run(evaluate).output.replacing(/, [0-9.]+ s\)/, with: ")")
      for (index, file) in files.enumerated() {
        let outcome = try run(
          training(file, settings("\(file).h5"), config: "mine.yaml"), ranks: index % 2 == 0 ? 2 : nil)
        XCTAssertEqual(outcome.status, 0, outcome.summary)
        XCTAssertEqual(try metrics(file), try metrics(root), file)
        let checked = try check(settings("\(file).h5"), ranks: index % 2 == 0 ? nil : 2)
        XCTAssertEqual(checked.status, 0, checked.summary)
        XCTAssertTrue(checked.output.contains("10 images read"), checked.output)
        guard index < 3 else { continue }
        let evaluated = try run(evaluate + settings("\(file).h5").flatMap { ["--set", $0] })
        XCTAssertEqual(evaluated.output.replacing(/, [0-9.]+ s\)/, with: ")"), table, file)
      }
    }
  }

  func testTrueAndFalseAreTwoClasses() throws {
    try make()
    try write("one.txt", "a\n")
    let lists = ["labeled", "unlabeled", "validation"].map { "data.\($0)=one.txt" }
    let checked = try check(settings("bool.h5") + lists + ["data.classes=[no, yes]"])
    XCTAssertEqual(checked.status, 0, checked.summary)
    XCTAssertNotNil(checked.output.firstMatch(of: #/yes +[0-9.]+ +1 /#), checked.output)
  }

  func testWhatCannotBeReadSaysWhatItIs() throws {
    try make()
    let cases: [(file: String, says: [String])] = [
      (
        "lzf",
        [
          "labeled.txt, line 1", "lzf.h5: '/images/im0'", "the filter lzf (32000)", "h5repack -f GZIP=4 IN OUT",
          "HDF5_PLUGIN_PATH",
        ]
      ),
      ("bytes", ["labeled.txt, line 1", "bytes.h5: '/images/im0'", "opaque []", "np.frombuffer"]),
      ("vlen", ["labeled.txt, line 1", "vlen.h5: '/images/im0'", "variable-length [1]", "np.frombuffer"]),
      ("early", ["early.h5: '/images'", "6 of its 10 chunks were never written"]),
      ("half", ["labeled.txt, line 1", "half.h5", "'/images/im0'", "2 of its 3 chunks were never written"]),
      (
        "masks",
        [
          "labeled.txt, line 1", "image im0 has no mask in masks.h5: the file has no /labels, where masks are",
          "but /masks",
        ]
      ),
      ("one", ["one.h5", "uint8 [33, 40, 3]", "/images/NAME", "an array of images"]),
    ]
    for (file, says) in cases {
      try assertRefused(training("run", settings("\(file).h5"), config: "mine.yaml"), saying: says)
      let checked = try check(settings("\(file).h5"))
      XCTAssertEqual(checked.status, 2, checked.summary)
      for part in says where !checked.output.contains(part) { XCTFail("“\(part)” is not said: \(checked.summary)") }
    }
  }
}
