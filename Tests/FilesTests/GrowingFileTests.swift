import Files
import Foundation
import TestSupport
import XCTest

/// A file that is read while another process writes it.
final class GrowingFileTests: DirectoryTestCase {
  private func append(_ text: String, to name: String) throws {
    let file = path(name)
    if !FileManager.default.fileExists(atPath: file) { try write([], to: file) }
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(text.utf8))
    try handle.close()
  }

  private func read(_ file: inout GrowingFile, restarted: inout Int) throws -> [String] {
    var lines: [String] = []
    var restarts = 0
    try file.read(restart: { restarts += 1 }) { line, _ in lines.append(String(decoding: line, as: UTF8.self)) }
    restarted = restarts
    return lines
  }

  func testWholeLinesAsTheyCome() throws {
    var file = GrowingFile(path: path("x")), restarted = 0
    XCTAssertEqual(try read(&file, restarted: &restarted), [])
    try append("one\ntw", to: "x")
    XCTAssertEqual(try read(&file, restarted: &restarted), ["one"])
    try append("o\n\nthree\n", to: "x")
    XCTAssertEqual(try read(&file, restarted: &restarted), ["two", "", "three"])
    XCTAssertEqual(try read(&file, restarted: &restarted), [])
    XCTAssertEqual(restarted, 0)
  }

  /// A resumed run cuts its metrics, and has written more than there was before the next reading.
  func testCutAndWrittenAgain() throws {
    var file = GrowingFile(path: path("x")), restarted = 0
    try append("1\n2\n3\n", to: "x")
    _ = try read(&file, restarted: &restarted)
    try write(Array("1\n2b\n3b\n4\n".utf8), to: path("x"))
    XCTAssertEqual(try read(&file, restarted: &restarted), ["1", "2b", "3b", "4"])
    XCTAssertEqual(restarted, 1)
    try write(Array("1\n".utf8), to: path("x"))
    XCTAssertEqual(try read(&file, restarted: &restarted), ["1"])
  }
}
