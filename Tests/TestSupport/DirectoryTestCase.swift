import Files
import Foundation
import HDF5
import XCTest

/// A test with a directory of its own, removed afterwards.
open class DirectoryTestCase: SeededTestCase {
  public private(set) var directory = ""

  open override func setUpWithError() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("u2pl-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    directory = url.path
  }

  open override func tearDownWithError() throws {
    try FileManager.default.removeItem(atPath: directory)
  }

  public func path(_ name: String) -> String { "\(directory)/\(name)" }

  public func names(in path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }

  public func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  public func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  /// Runs `script` with Debian's Python, its only argument being `path`; skips where h5py is missing.
  @discardableResult
  public func python(_ script: String, _ path: String) throws -> String {
    let probe = try run(["-c", "import h5py"])
    guard probe.status == 0 else {
      throw XCTSkip("SKIPPED: /usr/bin/python3 cannot import h5py (apt install python3-h5py): \(probe.output)")
    }
    let result = try run(["-c", script, path])
    XCTAssertEqual(result.status, 0, result.output)
    return result.output
  }

  private func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") else { return (127, "no python3") }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }

  /// The message of the ``FileError`` that `body` throws.
  public func message(
    file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> Void
  ) -> String {
    do {
      try body()
      XCTFail("no error was thrown", file: file, line: line)
    } catch let error as FileError {
      return error.description
    } catch {
      XCTFail("not a FileError: \(error)", file: file, line: line)
    }
    return ""
  }
}

/// A data set of numbers that are easy to tell apart.
public func floats(_ shape: Int...) -> StoredDataset {
  let count = shape.reduce(1, *)
  return StoredDataset(shape: shape, values: .float32((0..<count).map { Float($0) * 0.37 - 5 }))
}
