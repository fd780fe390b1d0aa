import Foundation
import TestSupport
import XCTest

/// One picture stored in every way that JPEG and PNG have, and masks that are none.
final class ImageModesTests: CommandTestCase {
  private let side = 33

  /// Six PNGs of one grey picture, and masks; in Python, so that nothing of this program writes what it reads.
  private func make() throws {
    try python(
      pngInPython + """

        import os, sys
        os.chdir(sys.argv[1])
        for d in ("modes/images", "modes/labels"): os.makedirs(d)
        g = np.random.default_rng(5).integers(0, 256, (33, 33)).astype(np.uint8)
        def png(path, a, color, bits=8, palette=None, packed=None):
            def number(n): return struct.pack(">I", n)
            def chunk(name, data): return number(len(data)) + name + data + number(zlib.crc32(name + data))
            rows = packed if packed is not None else [r.tobytes() for r in a.reshape(a.shape[0], -1)]
            head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], bits, color, 0, 0, 0)
            more = b"" if palette is None else chunk(b"PLTE", palette)
            body = chunk(b"IDAT", zlib.compress(b"".join(b"\\0" + r for r in rows)))
            open(path, "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + more + body + chunk(b"IEND", b""))
        grey = bytes(v for n in range(256) for v in (n, n, n))
        png("modes/images/l.png", g, 0)
        png("modes/images/la.png", np.dstack([g, np.full_like(g, 128)]), 4)
        png("modes/images/rgb.png", np.dstack([g] * 3), 2)
        png("modes/images/rgba.png", np.dstack([g] * 3 + [np.zeros_like(g)]), 6)
        png("modes/images/p.png", g, 3, palette=grey)
        png("modes/images/l16.png", (g.astype(np.uint16) * 257).byteswap(), 0, bits=16)
        png("modes/images/rgb16.png", (np.dstack([g] * 3).astype(np.uint16) * 257).byteswap(), 2, bits=16)
        # Of one bit, as scanners store them: 0 is black and 1 white.
        b = (g > 99).astype(np.uint8)
        png("bit.png", b, 0, bits=1, packed=[np.packbits(r).tobytes() for r in b])
        png("bit8.png", b * 255, 0)
        m = (np.arange(33 * 33) % 4).reshape(33, 33).astype(np.uint8)
        for n in ("l", "la", "rgb", "rgba", "p", "l16", "rgb16"): png(f"modes/labels/{n}.png", m, 0)
        png("alpha.png", np.dstack([m, np.full_like(m, 255)]), 4)
        png("colour.png", np.dstack([m * 80] * 3), 2)
        png("deep.png", m.astype(np.uint16).byteswap(), 0, bits=16)
        png("palette.png", m, 3, palette=grey)
        png("two.png", m, 3, bits=2, palette=grey[:12],
            packed=[np.packbits(np.unpackbits(r[:, None], axis=1)[:, 6:].ravel()).tobytes() for r in m])
        """, directory)
  }

  func testPredictionsOfOnePicture() throws {
    try make()
    try writeFixtureModel("modes", "labels")
    let outcome = try run(["predict", "--checkpoint", "x.h5", "modes/images", "-o", "out"])
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    let names = try FileManager.default.contentsOfDirectory(atPath: path("out/index"))
    XCTAssertEqual(names.count, 7, outcome.summary)
    let results = Set(names.map { FileManager.default.contents(atPath: path("out/index/\($0)")) })
    XCTAssertEqual(results.count, 1, "the modes have \(results.count) predictions")
    let bits = try run(["predict", "--checkpoint", "x.h5", "bit.png", "bit8.png", "-o", "bits"])
    XCTAssertEqual(bits.status, 0, bits.summary)
    XCTAssertTrue(
      FileManager.default.contentsEqual(atPath: path("bits/index/bit.png"), andPath: path("bits/index/bit8.png")))
    // A picture that is another has another one.
    XCTAssertFalse(
      FileManager.default.contentsEqual(atPath: path("bits/index/bit.png"), andPath: path("out/index/l.png")))
  }

  /// Training sees the same picture in all of them.
  func testTrainingOnEveryMode() throws {
    try make()
    try write("l.txt", "l\nl\nl\n")
    try write("all.txt", "rgba\np\nl16\n")
    for (name, list) in [("grey", "l.txt"), ("modes", "all.txt")] {
      try write(
        "\(name).yaml",
        tinyConfiguration(data: "{kind: folder, root: modes, labeled: ../\(list), unlabeled: ../\(list), classes: 4}"))
      let outcome = try run(training("run-\(name)", config: "\(name).yaml"))
      XCTAssertEqual(outcome.status, 0, outcome.summary)
    }
    XCTAssertEqual(try metrics("run-grey"), try metrics("run-modes"))
  }

  func testMasksOfOtherModes() throws {
    try make()
    try write("one.txt", "l\n")
    try write(
      "mine.yaml",
      tinyConfiguration(data: "{kind: folder, root: modes, labeled: ../one.txt, unlabeled: ../one.txt, classes: 4}"))
    for (mask, words) in [
      ("alpha", "the mask holds grey with alpha; save it as a palette or 8-bit grey PNG"),
      ("colour", "the mask holds colours; save it as a palette or 8-bit grey PNG"),
      ("deep", "the mask holds 16-bit values; save it as a palette or 8-bit grey PNG"),
    ] {
      try write("modes/labels/l.png", FileManager.default.contents(atPath: path("\(mask).png"))!)
      try assertRefused(
        training("run", config: "mine.yaml"), at: [nil], saying: "one.txt, line 1: ", "modes/labels/l.png: \(words)")
    }
    for mask in ["palette", "two"] {
      try write("modes/labels/l.png", FileManager.default.contents(atPath: path("\(mask).png"))!)
      let outcome = try run(training("run-\(mask)", ["schedule.epochs=1"], config: "mine.yaml"))
      XCTAssertEqual(outcome.status, 0, outcome.summary)
    }
    XCTAssertEqual(try metrics("run-palette"), try metrics("run-two"))
  }
}
