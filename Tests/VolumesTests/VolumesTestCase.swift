import Foundation
import TestSupport
import Transforms
import Volumes
import XCTest

/// Files that Python has written, and what they hold.
class VolumesTestCase: DirectoryTestCase {
  /// Runs a script with the directory of this test as its argument; skips where a module is missing.
  ///
  /// The script may call `keep(name, array)`, whose axes are slices, rows, columns and channels: what has to be read of the file
  /// `name`.
  @discardableResult
  func python(modules: String, _ script: String) throws -> String {
    let peer = try PythonPeer(modules: modules)
    let head = """
      import sys, os, numpy as np
      os.chdir(sys.argv[1])
      def keep(name, array):
          assert array.ndim == 4
          with open(name + '.expected', 'wb') as f:
              f.write(np.array(array.shape, '<i8').tobytes() + np.ascontiguousarray(array, '<f8').tobytes())
          with open('kept', 'a') as f: f.write(name + '\\n')

      """
    let result = try peer.run(["-c", head + script, directory])
    XCTAssertEqual(result.status, 0, result.output)
    return result.output
  }

  /// Reads every file that Python has kept, and compares all of it.
  func compareKept(atLeast least: Int, file: StaticString = #filePath, line: UInt = #line) throws {
    let names = try String(contentsOfFile: path("kept"), encoding: .utf8).split(separator: "\n").map(String.init)
    XCTAssertGreaterThanOrEqual(names.count, least, file: file, line: line)
    for name in names {
      do {
        try compare(name, file: file, line: line)
      } catch { XCTFail("\(name): \(error)", file: file, line: line) }
    }
  }

  private func compare(_ name: String, file: StaticString, line: UInt) throws {
    let expected = try bytes(path(name + ".expected"))
    let numbers = expected.withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
    }
    let shape = numbers[..<4].map { Int($0) }
    let values = numbers[4...].map { Double(bitPattern: $0) }
    let volume = try VolumeFile(path(name))
    let header = volume.header
    XCTAssertEqual([header.slices, header.height, header.width, header.channels], shape, name, file: file, line: line)
    guard [header.slices, header.height, header.width, header.channels] == shape else { return }
    var read: [Double] = []
    for index in 0..<header.slices {
      let raster = try volume.slice(index)
      XCTAssertEqual(raster.type, header.type, name, file: file, line: line)
      read += Self.doubles(raster)
    }
    XCTAssertTrue(read == values, "\(name) has other values", file: file, line: line)
  }

  static func doubles(_ raster: Raster) -> [Double] {
    switch raster.values {
    case .uint8(let values): values.map(Double.init)
    case .uint16(let values): values.map(Double.init)
    case .int16(let values): values.map(Double.init)
    case .float32(let values): values.map(Double.init)
    }
  }

  /// The message with which a file is refused: by its header, or by any slice.
  func refusal(_ name: String, file: StaticString = #filePath, line: UInt = #line) -> String {
    message(file: file, line: line) {
      let volume = try VolumeFile(path(name))
      for index in 0..<volume.header.slices { _ = try volume.slice(index) }
    }
  }

  /// Masks of three classes that differ from slice to slice.
  static func masks(_ header: VolumeHeader) -> [LabelMap] {
    (0..<header.slices).map { slice in
      LabelMap(
        height: header.height, width: header.width,
        values: (0..<header.height * header.width).map { UInt8(($0 * 7 + slice * 5 + $0 / header.width) % 3) })
    }
  }
}
