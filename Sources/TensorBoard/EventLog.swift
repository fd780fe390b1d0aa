import Files
import Foundation
import SwiftProtobuf

/// An event file of TensorBoard that grows: scalars and pictures of a run by step. Not for several threads at once.
public final class EventLog {
  private let directory: String
  private let path: String
  private let firstStep: Int
  private var descriptor: Int32 = -1
  /// Whether the file has its first two events.
  private var hasHead = false

  /// - Parameters:
  ///   - directory: made with the first events if it does not exist.
  ///   - firstStep: the step at which the run begins or resumes; a reader drops events of it and later steps in
  ///     earlier files.
  public init(directory: String, firstStep: Int, host: String, now: Date = Date()) {
    self.directory = directory
    self.firstStep = firstStep
    let seconds = String(Int(now.timeIntervalSince1970))
    let name = host.map { $0.isLetter || $0.isNumber || "-._".contains($0) ? $0 : "_" }
    // TensorBoard reads files in the order of their names, and takes those that hold this word.
    let padding = String(repeating: "0", count: max(0, 10 - seconds.count))
    path = FileSystem.join(
      directory, "events.out.tfevents.\(padding)\(seconds).\(String(name)).\(getpid()).\(firstStep)")
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// A number or a picture.
  public struct Value: Sendable {
    let message: SummaryValueMessage

    public static func scalar(_ tag: String, _ value: Double) -> Value {
      var message = SummaryValueMessage()
      message.tag = tag
      message.content = .scalar(Float(value))
      return Value(message: message)
    }

    /// - Returns: nil where the bytes are no PNG.
    public static func picture(_ tag: String, png: Data) -> Value? {
      // The header: signature, length and name of IHDR, width and height, depth, kind of colour.
      let head = [UInt8](png.prefix(26))
      guard head.count == 26, head.starts(with: [0x89, 0x50, 0x4E, 0x47]) else { return nil }
      func number(_ at: Int) -> Int32 { head[at..<at + 4].reduce(0) { $0 << 8 | Int32($1) } }
      var image = ImageMessage()
      (image.width, image.height) = (number(16), number(20))
      image.colorSpace = head[25] == 0 ? 1 : 3
      image.bytes = png
      var message = SummaryValueMessage()
      message.tag = tag
      message.content = .image(image)
      return Value(message: message)
    }
  }

  /// What happened at a step.
  public struct Event: Sendable {
    let message: EventMessage

    public init(step: Int, time: Date = Date(), _ values: [Value]) {
      var message = EventMessage()
      message.wallTime = time.timeIntervalSince1970
      message.step = Int64(step)
      var summary = SummaryMessage()
      summary.values = values.map(\.message)
      message.content = .summary(summary)
      self.message = message
    }
  }

  /// Appends events, all of them or none.
  ///
  /// - Throws: ``FileError``.
  public func append(_ events: [Event]) throws {
    if descriptor < 0 { try create() }
    var bytes: [UInt8] = try hasHead ? [] : head()
    for event in events { bytes += RecordFrame.framed(try event.message.serializedData()) }
    guard bytes.withUnsafeBytes({ FileSystem.appendWhole(descriptor, $0) }) else {
      throw FileError.system("cannot be written", path)
    }
    hasHead = true
  }

  private func create() throws {
    try FileSystem.createDirectory(directory)
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("cannot be written", path) }
  }

  /// The format's version, and the start of a session at the first step.
  private func head() throws -> [UInt8] {
    var version = EventMessage(), start = EventMessage(), session = SessionMessage()
    version.wallTime = Date().timeIntervalSince1970
    version.content = .fileVersion("brain.Event:2")
    session.status = 1
    (start.wallTime, start.step, start.content) = (version.wallTime, Int64(firstStep), .session(session))
    return try [version, start].flatMap { RecordFrame.framed(try $0.serializedData()) }
  }
}
