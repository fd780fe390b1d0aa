import Checkpoint
import Configuration
import Dataset
import Foundation
import Method
import TestSupport
import Trainer
import Transforms
import XCTest

/// A small network that has learned nothing, but answers differently everywhere.
enum FixtureModel {
  static let classes = 11
  static let crop = [41, 49]
}

extension CommandTestCase {
  /// Writes `x.h5`, a checkpoint with the weights of the fixtures, for a data set in `root`.
  @discardableResult
  func writeFixtureModel(_ root: String, _ list: String, _ more: String = "") throws -> Configuration {
    let configuration = try Configuration(
      yaml: """
        data: {kind: voc, root: \(root), labeled: none, unlabeled: none, validation: \(list),
               classes: \(FixtureModel.classes), mean: [100, 110, 120], std: [50, 60, 70]}
        augment: {crop: \(FixtureModel.crop)}
        model: {encoder: resnet18, encoder_width: 0.25, width: 16, features: 16, dilations: [2, 4, 6]}
        u2pl: {capacity: 10}
        compute: {threads: 1}
        \(more)
        """, source: "test", overrides: [])
    let trainer = try U2PLTrainer(
      configuration, schedule: Schedule(configuration, labeledCount: 1, unlabeledCount: 1), ranks: .alone)
    fillNamed(trainer.student)
    fillNamed(trainer.teacher)
    try CheckpointFile.write(trainer.snapshot(), to: path("x.h5"))
    return configuration
  }

  /// Runs `predict` or `suggest` with the checkpoint `x.h5`.
  @discardableResult
  func apply(
    _ command: String, _ images: [String], to output: String, _ options: [String] = [], ranks: Int? = nil,
    status: Int32 = 0, file: StaticString = #filePath, line: UInt = #line
  ) throws -> Command.Outcome {
    let outcome = try run(
      [command, "--checkpoint", "x.h5", "-o", output] + options + images, ranks: ranks, file: file, line: line)
    XCTAssertEqual(outcome.status, status, outcome.summary, file: file, line: line)
    return outcome
  }

  /// Blobs with noise on them, so that a network has something to tell apart.
  func fixtureImage(_ name: String, height: Int, width: Int) -> Raster {
    let side = max(height, width)
    let blobs = blockLabels("image \(name)", count: 1, size: side, classes: 8, block: 9)
    let noise = hashed("noise \(name)", height * width * 3)
    let pixels = (0..<height * width * 3).map { (i: Int) -> UInt8 in
      let blob = Int(blobs[i / 3 / width * side + i / 3 % width])
      return UInt8((blob * (i % 3 * 37 + 29) + Int(noise[i] & 31)) % 256)
    }
    return Raster(height: height, width: width, pixels: pixels)
  }

  /// An image and its mask below `data`, in VOC's layout.
  func writeFixtureImage(_ name: String, height: Int, width: Int) throws {
    let side = max(height, width)
    let labels = blockLabels("mask \(name)", count: 1, size: side, classes: FixtureModel.classes, block: 7)
    let values = (0..<height * width).map { labels[$0 / width * side + $0 % width] }
    for folder in ["JPEGImages", "SegmentationClass"] { try write("data/\(folder)/\(name).png", []) }
    try ImageFile.writePNG(
      fixtureImage(name, height: height, width: width), to: path("data/JPEGImages/\(name).png"))
    try ImageFile.writePNG(
      LabelMap(height: height, width: width, values: values), palette: nil,
      to: path("data/SegmentationClass/\(name).png"))
  }
}

/// PNG files in Python without an imaging library: `read(path)` gives pixels as stored and the palette, `write(path,
/// pixels, color)` takes rows of bytes or 16-bit numbers.
let pngInPython = """
  import numpy as np, struct, zlib
  channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

  def read(path):
      data, at, parts = open(path, "rb").read(), 8, {}
      while at < len(data):
          length, name = struct.unpack(">I4s", data[at:at + 8])
          parts[name] = parts.get(name, b"") + data[at + 8:at + 8 + length]
          at += 12 + length
      width, height, bits, color, _, _, interlaced = struct.unpack(">IIBBBBB", parts[b"IHDR"])
      assert bits == 8 and not interlaced
      n = channels[color]
      raw = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, 1 + width * n)
      rows = np.zeros((height, width * n), np.int64)
      for y in range(height):
          kind, line = raw[y, 0], raw[y, 1:].astype(np.int64)
          above = rows[y - 1] if y else np.zeros_like(line)
          if kind in (0, 2): rows[y] = (line + (above if kind else 0)) % 256
          else:
              for x in range(width * n):
                  a, b, c = (rows[y, x - n] if x >= n else 0), above[x], (above[x - n] if x >= n else 0)
                  if kind == 3: guess = (a + b) // 2
                  elif kind == 4:
                      p = a + b - c
                      guess = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
                  else: guess = a
                  rows[y, x] = (line[x] + guess) % 256
      pixels = rows.astype(np.uint8).reshape((height, width) + ((n,) if n > 1 else ()))
      return pixels, np.frombuffer(parts.get(b"PLTE", b""), np.uint8).reshape(-1, 3)

  def write(path, pixels, color):
      height, width = pixels.shape[:2]
      big = pixels.astype(">u2") if pixels.dtype == np.uint16 else pixels.astype(np.uint8)
      rows = b"".join(b"\\0" + big[y].tobytes() for y in range(height))
      def chunk(name, body): return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
      header = struct.pack(">IIBBBBB", width, height, 16 if pixels.dtype == np.uint16 else 8, color, 0, 0, 0)
      with open(path, "wb") as f:
          f.write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

  """
