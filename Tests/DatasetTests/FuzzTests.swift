import Dataset
import Foundation
import TestSupport
import Transforms
import XCTest

/// Damaged images, lists and packed files: an error that names the file, or what the file holds, never a crash, a hang, or other
/// pixels than were written.
final class FuzzTests: SeededTestCase {
  private func assertNames(_ path: String, _ error: any Error, _ number: Int) {
    guard let error = error as? DatasetError else { return XCTFail("input \(number): \(type(of: error)): \(error)") }
    XCTAssertTrue(error.description.hasPrefix(path), "input \(number): \(error)")
    XCTAssertLessThan(error.description.count, 800, "input \(number)")
  }

  // MARK: PNG

  /// PNGs of every kind that is read: as colours and, where they are masks, as labels.
  private func samples(_ scratch: Scratch) throws -> [[UInt8]] {
    var files: [[UInt8]] = []
    let row = { (count: Int, y: Int) in (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + y * 11) } }
    let rows = { (count: Int) in (0..<9).map { row(count, $0) } }
    // With a comment behind its header, damage to which is no one's concern.
    var commented = PNG.file(height: 9, width: 8, bits: 8, .rgb, rows: rows(24))
    commented.insert(contentsOf: [0, 0, 0, 200] + Array("tEXtComment\0".utf8) + row(192, 3) + [0, 0, 0, 0], at: 33)
    files.append(PNG.withChecksums(commented))
    files.append(PNG.file(height: 9, width: 8, bits: 16, .rgb, rows: rows(48)))
    files.append(PNG.file(height: 9, width: 8, bits: 8, .rgba, rows: rows(32)))
    files.append(PNG.file(height: 9, width: 8, bits: 8, .greyAlpha, rows: rows(16)))
    files.append(PNG.file(height: 9, width: 8, bits: 8, .grey, rows: rows(8)))
    files.append(PNG.file(height: 9, width: 8, bits: 2, .grey, rows: rows(2)))
    let colors = (0..<768).map { UInt8(truncatingIfNeeded: $0 * 5) }
    files.append(PNG.file(height: 9, width: 8, bits: 8, .palette, palette: colors, rows: rows(8)))
    files.append(PNG.file(height: 9, width: 8, bits: 4, .palette, palette: Array(colors.prefix(48)), rows: rows(4)))
    // Compressed, as this program writes them.
    let path = scratch.path + "/written.png"
    try ImageFile.writePNG(Raster(height: 40, width: 31, pixels: row(40 * 31 * 3, 1)), to: path)
    files.append([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
    try ImageFile.writePNG(LabelMap(height: 30, width: 20, values: row(600, 2).map { $0 % 7 }), palette: [], to: path)
    files.append([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
    return files
  }

  private struct Decoded: Equatable {
    var image: Raster?
    var labels: LabelMap?
  }

  /// What a file holds; nil where neither way of reading takes it.
  private func decode(_ path: String, _ number: Int) -> Decoded {
    var decoded = Decoded()
    do { decoded.image = try ImageFile.readRGB(path) } catch { assertNames(path, error, number) }
    do { decoded.labels = try ImageFile.readLabels(path) } catch { assertNames(path, error, number) }
    return decoded
  }

  /// A PNG has a checksum in every chunk: whatever is taken has the pixels that were written.
  func testPNG() throws {
    let scratch = try Scratch(self)
    let files = try samples(scratch)
    let path = scratch.path + "/m.png"
    let whole = try files.map { file -> Decoded in
      try scratch.write("m.png", file)
      let decoded = decode(path, -1)
      XCTAssertNotNil(decoded.image)
      return decoded
    }
    XCTAssertEqual(whole.filter { $0.labels != nil }.count, 5)
    let names = ["IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "iCCP", "\0\0\0\0", "\u{7F}\u{7F}\u{7F}\u{7F}"].map {
      Array($0.utf8)
    }
    let memory = peakMemory()
    let fuzz = Fuzz("PNG images")
    try fuzz.run(2500) { number, draws in
      let which = number % files.count
      let damaged = Fuzz.mutated(files[which], names, using: &draws)
      try fuzz.keep(damaged)
      try scratch.write("m.png", damaged)
      let decoded = decode(path, number)
      if let image = decoded.image { XCTAssertTrue(image == whole[which].image, "input \(number): other pixels") }
      if let labels = decoded.labels { XCTAssertTrue(labels == whole[which].labels, "input \(number): other labels") }
      return decoded.image == nil && decoded.labels == nil ? .refused : .taken
    }
    XCTAssertGreaterThan(fuzz.refused, 1000)
    XCTAssertGreaterThan(fuzz.taken, 10)
    XCTAssertLessThan(peakMemory() - memory, 1 << 28)
  }

  /// The same with every checksum made right again, as no accident does: the insides of the decoder. Nothing can be said of the
  /// pixels, but sizes have to be those of the header, and memory that of the pixels.
  func testPNGWithChecksumsMadeRight() throws {
    let scratch = try Scratch(self)
    let files = try samples(scratch)
    let path = scratch.path + "/m.png"
    let memory = peakMemory()
    let fuzz = Fuzz("PNG images, checksums made right")
    try fuzz.run(1500) { number, draws in
      let damaged = PNG.withChecksums(Fuzz.mutated(files[number % files.count], using: &draws))
      try fuzz.keep(damaged)
      try scratch.write("m.png", damaged)
      let decoded = decode(path, number)
      if let image = decoded.image { XCTAssertEqual(image.colors().count, image.height * image.width * 3) }
      if let labels = decoded.labels { XCTAssertEqual(labels.values.count, labels.height * labels.width) }
      return decoded.image == nil ? .refused : .taken
    }
    XCTAssertGreaterThan(fuzz.taken, 50)
    XCTAssertLessThan(peakMemory() - memory, 1 << 28)
  }

  // MARK: JPEG

  /// A JPEG has no checksums: a flipped bit of coded data may be as good a picture as the right one, and nobody can tell. But
  /// bytes that are missing, or no code at all, are noticed; a file decodes alike each time; and a packed file has checksums.
  func testJPEG() throws {
    let scratch = try Scratch(self)
    let files = [JPEG.color, JPEG.progressive, JPEG.grey, JPEG.cmyk]
    let path = scratch.path + "/m.jpg"
    let markers =
      [0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xFE, 0x00, 0xD0].map { [0xFF, UInt8($0)] }
      + [[0xFF, 0xC0, 0x00, 0x11, 0x08, 0x4E, 0x20, 0x4E, 0x20]]
    let memory = peakMemory()
    let fuzz = Fuzz("JPEG images")
    try fuzz.run(2500) { number, draws in
      let file = files[number % files.count]
      let damaged: [UInt8]
      if draws.one(in: 4) {
        damaged = Array(file.prefix(Int.random(in: 0..<file.count, using: &draws)))
      } else {
        damaged = Fuzz.mutated(file, markers, using: &draws)
      }
      try fuzz.keep(damaged)
      try scratch.write("m.jpg", damaged)
      do {
        let (image, facts) = try ImageFile.read(path)
        XCTAssertEqual(image.colors().count, image.height * image.width * 3)
        XCTAssertTrue(try ImageFile.readRGB(path) == image, "input \(number): other pixels the second time")
        XCTAssertFalse(
          file.starts(with: damaged) && damaged.count < file.count && facts.flaw == nil,
          "input \(number): cut short, and taken without a word")
        return .taken
      } catch {
        assertNames(path, error, number)
        return .refused
      }
    }
    XCTAssertGreaterThan(fuzz.refused, 1000)
    XCTAssertGreaterThan(fuzz.taken, 50)
    XCTAssertLessThan(peakMemory() - memory, 1 << 28)
  }

  /// A few bytes that claim a picture of hundreds of megapixels are refused before memory is set aside for it.
  func testImagesThatClaimToBeHuge() throws {
    let scratch = try Scratch(self)
    let memory = peakMemory()
    for file in [JPEG.color, JPEG.progressive] {
      var bytes = file
      let frame = bytes.indices.first { bytes[$0] == 0xFF && [0xC0, 0xC2].contains(bytes[$0 + 1]) }!
      bytes.replaceSubrange(frame + 5..<frame + 9, with: [0x4E, 0x20, 0x4E, 0x20])
      try scratch.write("m.jpg", bytes)
      assert(message { try ImageFile.readRGB(scratch.path + "/m.jpg") }, names: "m.jpg", "20000×20000", "bytes")
    }
    var png = PNG.grey8(height: 3, width: 3) { _, _ in 1 }
    png.replaceSubrange(16..<24, with: [0, 0, 0x4E, 0x20, 0, 0, 0x4E, 0x20])
    try scratch.write("m.png", PNG.withChecksums(png))
    assert(message { try ImageFile.readLabels(scratch.path + "/m.png") }, names: "m.png", "20000×20000", "bytes")
    XCTAssertLessThan(peakMemory() - memory, 1 << 26)
  }

  // MARK: Lists

  /// Every line that holds anything is an image that is there, or a problem that names its line.
  func testLists() throws {
    let scratch = try Scratch(self)
    let ids = (0..<12).map { "frame_\($0)" } + ["sub/ä b", "x"]
    for id in ids {
      try scratch.write("JPEGImages/\(id).jpg", JPEG.grey)
      try scratch.write("SegmentationClass/\(id).png", PNG.grey8(height: 14, width: 20) { _, _ in 0 })
    }
    let good = [
      ids.prefix(12).joined(separator: "\n") + "\n", ids.prefix(12).joined(separator: "\r\n"),
      ids.prefix(6).map { "JPEGImages/\($0).jpg SegmentationClass/\($0).png" }.joined(separator: "\n"),
      "\u{FEFF}frame_1\nsub/ä b\tx\nx\n",
    ]
    let pieces =
      [
        "\n", "\r", "\t", "\0", " ", "\u{FEFF}", "\u{2028}", "../", "/", "//", "./", "~", "*", "%s%n", "..", "frame_1",
        "\u{1B}[2J",
        String(repeating: "a", count: 5000), "e\u{301}", "💥",
      ].map { Array($0.utf8) } + [[0xFF], [0xC3], [0xED, 0xA0, 0x80]]
    let fuzz = Fuzz("lists of images")
    try fuzz.run(2000) { number, draws in
      let bytes = Fuzz.mutated(Array(good[number % good.count].utf8), pieces, using: &draws)
      try scratch.write("list.txt", bytes)
      do {
        let set = try FileSet(
          root: scratch.path, list: "list.txt", layout: .voc, classes: 5, labeled: number % 3 > 0)
        let text = try XCTUnwrap(String(validating: bytes, as: UTF8.self), "input \(number) is not UTF-8, and taken")
        let blank = CharacterSet.whitespaces.union(["\u{FEFF}", "\u{1A}"])
        let lines = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: blank) }
          .filter { !$0.isEmpty && !$0.hasPrefix("#") }
        XCTAssertEqual(set.count + set.problems.count, lines.count, "input \(number)")
        for index in 0..<set.count {
          XCTAssertTrue(lines.contains(set.line(index)), "input \(number)")
          XCTAssertTrue(FileManager.default.fileExists(atPath: set.source(index).image), "input \(number)")
        }
        for problem in set.problems {
          XCTAssertTrue(problem.description.hasPrefix(scratch.path + "/list.txt, line "), "input \(number): \(problem)")
        }
        return set.problems.isEmpty ? .taken : .refused
      } catch {
        assertNames(scratch.path + "/list.txt", error, number)
        return .refused
      }
    }
    XCTAssertGreaterThan(fuzz.refused, 500)
    XCTAssertGreaterThan(fuzz.taken, 50)
  }
}

extension PNG {
  /// The file with the right checksum in every chunk, as far as it is made of chunks.
  static func withChecksums(_ file: [UInt8]) -> [UInt8] {
    var file = file
    var at = 8
    while at + 12 <= file.count {
      let length = file[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= file.count - at - 12 else { break }
      file.replaceSubrange(at + 8 + length..<at + 12 + length, with: checksum(file[at + 4..<at + 8 + length]))
      at += 12 + length
    }
    return file
  }
}
