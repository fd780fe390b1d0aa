import Dataset
import Foundation
import TestSupport
import XCTest

/// A directory of its own for one test.
struct Scratch {
  let path: String

  init(_ test: XCTestCase) throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("dataset-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
    test.addTeardownBlock { try FileManager.default.removeItem(at: url) }
  }

  /// Writes a file, with the directories it needs; returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let url = URL(fileURLWithPath: "\(path)/\(name)")
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return url.path
  }

  /// A data set of one entry named `a`: a 20×14 JPEG and, unless given, a mask of the same size with classes 0 to 4.
  func writePair(image: [UInt8] = JPEG.color, mask: [UInt8]? = nil, list: String = "a\n") throws {
    try write("JPEGImages/a.jpg", image)
    try write("SegmentationClass/a.png", mask ?? PNG.grey8(height: 14, width: 20) { x, y in UInt8((x + y) % 5) })
    try write("list.txt", list.utf8)
  }

  /// The set of `list.txt`, all of whose lines must be good.
  func open(
    _ layout: FileLayout = .voc, labeled: Bool = true, classes: Int = 5, coding: LabelCoding? = nil
  ) throws -> FileSet {
    let set = try FileSet(
      root: path, list: "list.txt", layout: layout, classes: classes, coding: coding, labeled: labeled)
    try set.requireComplete()
    return set
  }
}

/// The message of the ``DatasetError`` that `body` throws.
func message(_ body: () throws -> some Any, file: StaticString = #filePath, line: UInt = #line) -> String {
  do {
    _ = try body()
    XCTFail("nothing was thrown", file: file, line: line)
    return ""
  } catch let error as DatasetError {
    return error.description
  } catch {
    XCTFail("\(type(of: error)) was thrown: \(error)", file: file, line: line)
    return ""
  }
}

func assert(_ message: String, names parts: String..., file: StaticString = #filePath, line: UInt = #line) {
  for part in parts where !message.contains(part) {
    XCTFail("“\(message)” does not say “\(part)”", file: file, line: line)
  }
}

/// FNV-1a, for comparing many bytes with one number.
func hash(_ bytes: [UInt8]) -> UInt64 {
  bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}

/// PNG files of any kind, pixels stored without compression, so that tests can make what no sane program writes.
enum PNG {
  enum Color: UInt8 { case grey = 0, rgb = 2, palette = 3, greyAlpha = 4, rgba = 6 }

  /// - Parameter rows: the packed bytes of each row.
  static func file(
    height: Int, width: Int, bits: UInt8, _ color: Color, palette: [UInt8] = [], rows: [[UInt8]]
  ) -> [UInt8] {
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    bytes += chunk("IHDR", big(UInt32(width)) + big(UInt32(height)) + [bits, color.rawValue, 0, 0, 0])
    if !palette.isEmpty { bytes += chunk("PLTE", palette) }
    bytes += chunk("IDAT", stored(rows.flatMap { [0] + $0 }))
    return bytes + chunk("IEND", [])
  }

  static func grey8(height: Int, width: Int, _ value: (Int, Int) -> UInt8) -> [UInt8] {
    let rows = (0..<height).map { y in (0..<width).map { x in value(x, y) } }
    return file(height: height, width: width, bits: 8, .grey, rows: rows)
  }

  /// The file with a chunk eXIf that says how the picture is to be turned, before its pixels or after them.
  static func withOrientation(_ orientation: Int, _ file: [UInt8], afterPixels: Bool = false) -> [UInt8] {
    let at = afterPixels ? file.count - 12 : 33
    return Array(file.prefix(at)) + chunk("eXIf", JPEG.exif(orientation)) + file.dropFirst(at)
  }

  private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return big(UInt32(data.count)) + body + checksum(body)
  }

  /// The checksum of a chunk's name and data, as it stands behind them.
  static func checksum(_ body: some Sequence<UInt8>) -> [UInt8] {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in body {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return big(~crc)
  }

  /// A zlib stream of one block without compression.
  private static func stored(_ data: [UInt8]) -> [UInt8] {
    var a: UInt32 = 1, b: UInt32 = 0
    for byte in data {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    let length = UInt16(data.count)
    let lengths = [length, ~length].flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    return [0x78, 0x01, 0x01] + lengths + data + big(b << 16 | a)
  }

  private static func big(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }
}
