import Foundation
import XCTest

/// Another program's word on a file: a Python that has certain modules.
public struct PythonPeer {
  private let interpreter: String

  /// The first that has the modules: `U2PL_PYTHON`, Debian's, that of Scripts/install-peers, `python3` of the search path.
  ///
  /// - Throws: `XCTSkip` where none has them.
  public init(modules: String) throws {
    let own = ProcessInfo.processInfo.environment["U2PL_PYTHON"].map { [$0] } ?? []
    for interpreter in own + ["/usr/bin/python3", Self.ofTests, "python3"] {
      if (try? Self.run(interpreter, ["-c", "import \(modules)"]))?.status == 0 {
        self.interpreter = interpreter
        return
      }
    }
    throw XCTSkip(
      "SKIPPED: no python3 with \(modules), so nothing is compared with it; pip install them somewhere and name that "
        + "interpreter in U2PL_PYTHON")
  }

  private static let ofTests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent(".venv/bin/python3").path

  /// Runs it with these arguments to its end.
  public func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    try Self.run(interpreter, arguments)
  }

  private static func run(_ interpreter: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process(), pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [interpreter] + arguments
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }
}
