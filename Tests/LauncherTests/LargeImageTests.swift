// Alone: measures memory
import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// `u2pl predict` on images that are larger than memory allows to treat as a whole.
final class LargeImageTests: CommandTestCase {
  override func setUpWithError() throws {
    try super.setUpWithError()
    try writeFixtureModel("data", "val.txt")
  }

  private func writeImage(_ name: String, height: Int, width: Int) throws {
    try write(name, [])
    try ImageFile.writePNG(fixtureImage(name, height: height, width: width), to: path(name))
  }

  /// Runs the program and returns the most memory it has had, in bytes.
  private func peak(_ arguments: [String]) throws -> Int {
    let text = try python(
      """
      import os, resource, subprocess, sys
      os.chdir(sys.argv[1])
      ended = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
      assert ended.returncode == 0, ended.stdout.decode()
      print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
      """, arguments: [directory, try Command.program()] + arguments)
    return try XCTUnwrap(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)), text)
  }

  private func predict(_ image: String, _ output: String, _ options: String...) -> [String] {
    ["predict", "--checkpoint", "x.h5", image, "-o", output, "--set", "augment.crop=[33, 65]"] + options
  }

  /// In windows an image takes its pixels and a row of windows, however high it is: 11 classes of 2.56 megapixels would take
  /// 113 MB as logits, and 61 MB as numbers.
  func testSlidingTakesABandOfTheImage() throws {
    try writeImage("small.png", height: 66, width: 64)
    try python(
      pngInPython + """
        import sys
        write(sys.argv[1], np.repeat(np.arange(40000) // 400 % 256, 64).reshape(40000, 64), 0)
        """, path("high.png"))
    let small = try peak(predict("small.png", "small", "--mode", "sliding"))
    let high = try peak(predict("high.png", "high", "--mode", "sliding"))
    // The image has 8 MB.
    XCTAssertLessThan(high - small, 48 << 20, "\(small) bytes for the small image, \(high) for the high one")
    let header = try ImageFile.header(path("high/overlay/high.png"))
    XCTAssertEqual([header.height, header.width], [40_000, 64])
  }

  /// What cannot fit is refused with a number and a remedy, before memory is taken, and other images are done.
  func testAnImageThatDoesNotFitIsRefused() throws {
    try writeImage("in/small.png", height: 60, width: 90)
    try python(
      pngInPython + """
        import sys
        write(sys.argv[1], np.zeros((4000, 4000), np.uint8), 0)
        """, path("in/large.png"))
    for (mode, option, remedy) in [
      ("whole", "--no-flip", "--mode sliding sees it in windows"),
      ("sliding", "--probabilities", "leave --probabilities out"),
    ] {
      let line = predict("in", mode, "--mode", mode, option)
      let outcome = try Command(
        line: ["bash", "-c", "ulimit -v 1300000; exec \"$@\"", "bash", try Command.program()] + line, in: directory
      ).wait(limit: 120)
      XCTAssertEqual(outcome.status, 3, outcome.summary)
      XCTAssertNotNil(
        outcome.errors.firstMatch(
          of:
            #/in/large\.png: 4000×4000 pixels take about [\d.]+ GiB of memory \(\w+\), and [\d.]+ GiB are available; /#),
        outcome.summary)
      XCTAssertTrue(outcome.errors.contains(remedy), outcome.summary)
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: path("\(mode)/index")), ["small.png"])
    }
  }

  /// A side beyond 20000 is no fault.
  func testAWideImage() throws {
    try python(
      pngInPython + """
        import sys
        write(sys.argv[1], np.zeros((8, 20992), np.uint8), 0)
        """, path("wide.png"))
    for mode in ["sliding", "whole"] {
      let outcome = try run(predict("wide.png", mode, "--mode", mode, "--no-overlay"))
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertEqual(try ImageFile.header(path("\(mode)/index/wide.png")).width, 20992)
    }
  }
}
