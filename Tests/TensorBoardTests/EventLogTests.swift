import Foundation
import TestSupport
import XCTest

import TensorBoard

final class EventLogTests: DirectoryTestCase {
  /// RFC 3720, B.4, and the checksum of "123456789" that every description of the polynomial gives.
  func testChecksums() {
    func value(_ bytes: [UInt8]) -> UInt32 { bytes.withUnsafeBytes { CRC32C.value($0) } }
    XCTAssertEqual(value(Array("123456789".utf8)), 0xe306_9283)
    XCTAssertEqual(value([UInt8](repeating: 0, count: 32)), 0x8a91_36aa)
    XCTAssertEqual(value([UInt8](repeating: 0xFF, count: 32)), 0x62a8_ab43)
    XCTAssertEqual(value(Array(0..<32)), 0x46dd_794e)
    XCTAssertEqual(RecordFrame.masked(0), 0xa282_ead8)
  }

  /// What is written is read back, through the same messages.
  func testMessages() throws {
    var image = ImageMessage()
    (image.height, image.width, image.colorSpace, image.bytes) = (3, 4, 3, Data([1, 2]))
    var value = SummaryValueMessage()
    (value.tag, value.content) = ("a/b", .image(image))
    var scalar = SummaryValueMessage()
    (scalar.tag, scalar.content) = ("zero", .scalar(0))
    var summary = SummaryMessage()
    summary.values = [value, scalar]
    var event = EventMessage()
    (event.wallTime, event.step, event.content) = (1.5, 1 << 40, .summary(summary))
    XCTAssertEqual(try EventMessage(serializedBytes: try event.serializedData() as Data), event)
    XCTAssertNotEqual(try scalar.serializedData() as Data, Data(), "a number that is 0 is written")
  }

  /// TensorBoard's own reader finds numbers, pictures and steps, and of a run that was resumed what counts.
  func testTensorBoardReadsIt() throws {
    let python = try PythonPeer(modules: "tensorboard.backend.event_processing.event_accumulator")
    let png = try XCTUnwrap(
      Data(
        base64Encoded:
          "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="))
    let first = EventLog(directory: path("board"), firstStep: 0, host: "a/b ü", now: Date(timeIntervalSince1970: 1000))
    let picture = try XCTUnwrap(EventLog.Value.picture("validation-1/image", png: png))
    try first.append((0..<5).map { EventLog.Event(step: $0, [.scalar("loss/total", Double($0) / 4)]) })
    try first.append([EventLog.Event(step: 4, [picture])])
    // Killed after step 4, resumed from a checkpoint before step 3.
    let second = EventLog(directory: path("board"), firstStep: 3, host: "other", now: Date(timeIntervalSince1970: 2000))
    try second.append((3..<6).map { EventLog.Event(step: $0, [.scalar("loss/total", 10)]) })
    let script = """
      import sys
      from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
      board = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
      board.Reload()
      values = [(event.step, event.value) for event in board.Scalars("loss/total")]
      assert values == [(0, 0), (1, 0.25), (2, 0.5), (3, 10), (4, 10), (5, 10)], values
      picture = board.Images("validation-1/image")
      assert not picture, "that of a step after the resume does not count"
      alone = EventAccumulator(sys.argv[1] + "/" + sys.argv[2])
      alone.Reload()
      picture = alone.Images("validation-1/image")[0]
      assert (picture.width, picture.height, picture.step) == (1, 1, 4), picture
      assert picture.encoded_image_string[:4] == b"\\x89PNG"
      """
    let file = try XCTUnwrap(names(in: path("board")).first)
    let outcome = try python.run(["-c", script, path("board"), file])
    XCTAssertEqual(outcome.status, 0, outcome.output)
  }

  func testWhatIsNoPicture() {
    XCTAssertNil(EventLog.Value.picture("x", png: Data()))
    XCTAssertNil(EventLog.Value.picture("x", png: Data(repeating: 7, count: 100)))
  }
}
