internal import CHDF5
import Files
import Foundation
import Synchronization

/// Access to the HDF5 library: its lock, and the check of return codes.
package enum HDF5 {
  /// Most builds of serial HDF5 are not thread safe, so one thread at a time is inside.
  private static let lock = Mutex(())

  /// Closing the library at exit crashes when a file is still open in it, as after a write that failed. Nothing is lost
  /// without: every file is closed by its handle.
  private static let stayOpenAtExit: Void = { _ = H5dont_atexit() }()

  /// Runs `body` alone in the library, with its printing to stderr turned off. Not to be nested.
  package static func run<Result: Sendable>(_ body: () throws -> Result) throws -> Result {
    try lock.withLock { _ in
      stayOpenAtExit
      // A thread-safe build keeps one switch per thread, so every entry turns it off.
      _ = u2pl_h5e_be_silent()
      return try body()
    }
  }

  /// Passes `code` on unless it is negative, HDF5's sign of failure. `place` names the file and the object in it.
  @discardableResult
  static func check<Code: SignedInteger>(_ code: Code, _ call: StaticString, _ place: Place) throws -> Code {
    guard code < 0 else { return code }
    throw place.error("\(innermostError()) (\(call))")
  }

  /// The bytes that a file should have, where the last failure was that it is cut short.
  static func wholeSizeOfTruncated() -> Int? {
    // truncated file: eof = 96, sblock->base_addr = 0, stored_eof = 2048
    let match = innermostError().firstMatch(of: #/truncated file: .*stored_eof = (\d+)/#)
    return match.flatMap { Int($0.1) }
  }

  /// The message of the innermost entry of the error stack.
  private static func innermostError() -> String {
    var characters = [CChar](repeating: 0, count: 2048)
    let text = characters.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress else { return "" }
      u2pl_h5e_innermost(start, buffer.count)
      return String(cString: start)
    }
    if text.isEmpty { return "HDF5 gives no reason" }
    // HDF5 1.14 no longer says which filter it was, and why.
    if text.hasPrefix("filter returned failure during read") {
      return "\(text): a checksum (Fletcher32) does not match, or what is compressed is damaged"
    }
    // A failed read or write lists descriptors, addresses and the time around the system's own message: keep that.
    guard let start = text.range(of: "error message = '"),
      let end = text.range(of: "'", range: start.upperBound..<text.endIndex)
    else { return text }
    return String(text[start.upperBound..<end.lowerBound])
  }
}

/// What an error message names: a file, an object in it, and what the user can do.
package struct Place {
  package let file: String
  var object = ""
  let advice: String

  package init(file: String, advice: String) {
    self.init(file: file, object: "", advice: advice)
  }

  private init(file: String, object: String, advice: String) {
    self.file = file
    self.object = object
    self.advice = advice
  }

  /// The same file, at the dataset, group or attribute `object`.
  package func at(_ object: String) -> Place {
    Place(file: file, object: object, advice: advice)
  }

  package func error(_ what: String) -> FileError {
    let location = object.isEmpty ? file : "\(file): \(object)"
    return FileError(description: "\(location): \(what)\(advice.isEmpty ? "" : "; \(advice)")")
  }
}
