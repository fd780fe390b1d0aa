import Foundation
import RunLogs
import XCTest

/// Events written by ranks and read by the launch, in files that are torn, cut, replaced or not to be written.
final class EventFilesTests: XCTestCase {
  private var directory = ""
  private var channel: EventChannel { EventChannel(attempt: "b-2", directory: directory) }

  override func setUpWithError() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("u2pl-events-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws { try FileManager.default.removeItem(atPath: directory) }

  private func append(_ text: String, to path: String? = nil) {
    let descriptor = open(path ?? channel.path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    XCTAssertGreaterThanOrEqual(descriptor, 0)
    XCTAssertEqual(write(descriptor, text, text.utf8.count), text.utf8.count)
    close(descriptor)
  }

  private func line(_ content: RunEvent.Content, attempt: String = "b-2", rank: Int = 0, second: Int = 0) -> String {
    let time = "2026-11-28 10:00:0\(second).000"
    return String(decoding: RunEvent(time: time, attempt: attempt, rank: rank, content).line, as: UTF8.self)
  }

  private func failed(_ message: String, step: Int = 1) -> RunEvent.Content {
    .failed(.init(host: "h", step: step, message: message, code: 1))
  }

  private func contents(_ reader: EventReader) -> [RunEvent.Content] { reader.read().map(\.content) }

  // MARK: Reading

  func testOnlyWhatComesAfterTheBeginningOfTheAttempt() {
    append(line(.step(1)) + line(.step(2)))
    let reader = EventReader(channel)
    XCTAssertEqual(contents(reader), [])
    append(line(.step(3)) + line(.step(99), attempt: "b-1") + line(.step(4)))
    XCTAssertEqual(contents(reader), [.step(3), .step(4)])
    XCTAssertEqual(contents(reader), [])
  }

  /// There is no file before the first attempt.
  func testAFileThatComesLater() {
    let reader = EventReader(channel)
    XCTAssertEqual(contents(reader), [])
    append(line(.step(1)))
    XCTAssertEqual(contents(reader), [.step(1)])
  }

  /// A line is taken when its end is there, whatever was there when the attempt began.
  func testTornLines() {
    append(line(.step(1)) + "{\"version\":1,\"ti")
    let reader = EventReader(channel)
    let next = line(.step(2))
    append("\n" + next.prefix(30))
    XCTAssertEqual(contents(reader), [])
    append(String(next.dropFirst(30)) + "{\"version\":1,\n\n\0\0\0\n" + line(.step(3)) + next.dropLast())
    XCTAssertEqual(contents(reader), [.step(2), .step(3)])
    append(String(repeating: "x", count: 3 << 20) + "\n" + line(.step(4)))
    XCTAssertEqual(contents(reader), [.step(4)])
  }

  func testAFileThatIsCutOrReplaced() throws {
    append(line(.step(1)) + line(.step(2)))
    let reader = EventReader(channel)
    append(line(.step(3)))
    XCTAssertEqual(contents(reader), [.step(3)])
    XCTAssertEqual(truncate(channel.path, 0), 0)
    XCTAssertEqual(contents(reader), [])
    append(line(.step(4)))
    XCTAssertEqual(contents(reader), [.step(4)])
    let other = channel.path + ".new"
    append(line(.step(5)) + line(.step(6)) + line(.step(7)), to: other)
    XCTAssertEqual(rename(other, channel.path), 0)
    XCTAssertEqual(contents(reader), [.step(5), .step(6), .step(7)])
    try FileManager.default.removeItem(atPath: channel.path)
    XCTAssertEqual(contents(reader), [])
    // Neither a folder nor a pipe that nobody writes to is waited for.
    XCTAssertEqual(mkfifo(channel.path, 0o600), 0)
    XCTAssertEqual(contents(reader), [])
    XCTAssertNil(reader.lastWords(rank: 0))
    try FileManager.default.removeItem(atPath: channel.path)
    try FileManager.default.createDirectory(atPath: channel.path, withIntermediateDirectories: true)
    XCTAssertEqual(contents(reader), [])
    XCTAssertNil(reader.lastWords(rank: 0))
  }

  func testOtherVersionsAreNoted() {
    let reader = EventReader(channel)
    append("{\"version\":3,\"attempt\":\"b-1\"}\n" + line(.step(1)))
    XCTAssertEqual(contents(reader), [.step(1)])
    XCTAssertEqual(reader.otherVersions, [])
    append("{\"version\":2,\"attempt\":\"b-2\",\"event\":\"step\",\"step\":2}\n{\"version\":4}\n" + line(.step(3)))
    XCTAssertEqual(contents(reader), [.step(3)])
    XCTAssertEqual(reader.otherVersions, [2, 4])
  }

  // MARK: Last words

  /// Those of the rank that is asked for, else the first; never those of another attempt.
  func testLastWords() {
    append(line(failed("old"), attempt: "b-1", rank: 1), to: channel.path(ofRank: 1))
    let reader = EventReader(channel)
    XCTAssertNil(reader.lastWords(rank: 1))
    append(line(failed("third", step: 7), rank: 1, second: 3), to: channel.path(ofRank: 1))
    append(line(failed("first"), rank: 12345, second: 1), to: channel.path(ofRank: 12345))
    append(line(.step(6)) + line(failed("second"), second: 2))
    XCTAssertEqual(reader.lastWords(rank: 1)?.words, .init(host: "h", step: 7, message: "third", code: 1))
    XCTAssertEqual(reader.lastWords(rank: 0)?.words.message, "second")
    XCTAssertEqual(reader.lastWords(rank: 2)?.words.message, "first")
    XCTAssertEqual(reader.lastWords(rank: nil)?.rank, 12345)
  }

  // MARK: Writing

  func testWhatIsWrittenIsRead() {
    let reader = EventReader(channel)
    let writer = EventWriter(channel, rank: 0)
    let start = RunEvent.Content.start(.init(step: 0, totalSteps: 8, ranks: 2, host: "h", program: "p"))
    writer.tell(start)
    writer.tell(stepsDone: 1)
    writer.tell(stepsDone: 2)
    writer.tell(.checkpoint(step: 2))
    writer.tell(stepsDone: 3)
    writer.tell(.finished(step: 3))
    writer.flush()
    XCTAssertEqual(
      contents(reader), [start, .firstStep(1), .step(2), .checkpoint(step: 2), .step(3), .finished(step: 3)])
    EventWriter(channel, rank: 7).tell(failed("gone"))
    let limit = Date(timeIntervalSinceNow: 5)
    while reader.lastWords(rank: 7) == nil, Date() < limit { usleep(2000) }
    XCTAssertEqual(reader.lastWords(rank: 7)?.words.message, "gone")
  }

  /// Of a thousand steps a second few are told, in order, the last always, and without anybody waiting for it.
  func testFastStepsAreToldNowAndThen() {
    let reader = EventReader(channel)
    let writer = EventWriter(channel, rank: 0)
    let begin = Date()
    for step in 1...500 {
      writer.tell(stepsDone: step)
      usleep(1000)
    }
    let limit = Date(timeIntervalSinceNow: 5)
    var told: [RunEvent.Content] = []
    while told.last != .step(500), Date() < limit {
      usleep(2000)
      told += contents(reader)
    }
    XCTAssertEqual(told.first, .firstStep(1))
    XCTAssertEqual(told.last, .step(500))
    let steps = told.dropFirst().map { if case .step(let step) = $0 { step } else { 0 } }
    XCTAssertEqual(steps, steps.sorted())
    XCTAssertGreaterThanOrEqual(steps.count, 3)
    XCTAssertLessThanOrEqual(Double(steps.count), Date().timeIntervalSince(begin) / 0.1 + 2)
  }

  /// A process that was killed has left half a line.
  func testALineAfterATornOne() {
    append("{\"version\":1,\"ti")
    let reader = EventReader(channel)
    let writer = EventWriter(channel, rank: 0)
    writer.tell(.step(1))
    writer.flush()
    XCTAssertEqual(contents(reader), [.step(1)])
  }

  /// A disk that takes nothing, a folder that is not there, and one in the place of the file.
  func testWhatCannotBeWrittenIsLost() {
    for path in ["/dev/full", directory + "/none/events.jsonl", directory] {
      let writer = EventWriter(EventChannel(attempt: "b-2", path: path), rank: 0)
      let begin = Date()
      writer.tell(failed("lost"))
      writer.tell(stepsDone: 1)
      writer.flush(seconds: 30)
      XCTAssertLessThan(Date().timeIntervalSince(begin), 20, path)
    }
  }

  /// A file system that hangs, as a pipe that nobody reads does, holds nobody up.
  func testADiskThatHangs() throws {
    XCTAssertEqual(mkfifo(channel.path, 0o600), 0)
    // Both ends are open, and nothing fits.
    let pipe = open(channel.path, O_RDWR)
    defer { close(pipe) }
    let filler = [UInt8](repeating: 10, count: 1 << 20)
    XCTAssertEqual(fcntl(pipe, F_SETFL, O_NONBLOCK), 0)
    while write(pipe, filler, filler.count) > 0 {}
    let begin = Date()
    let writer = EventWriter(channel, rank: 0)
    writer.tell(.step(1))
    for step in 1...1000 { writer.tell(stepsDone: step) }
    writer.flush(seconds: 0.2)
    XCTAssertLessThan(Date().timeIntervalSince(begin), 2)
    // So that the thread ends.
    var buffer = filler
    while read(pipe, &buffer, buffer.count) > 0 { usleep(5000) }
    writer.flush()
  }
}
