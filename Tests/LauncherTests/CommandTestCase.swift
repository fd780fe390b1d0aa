import Foundation
import HDF5
import TestSupport
import XCTest

/// A test with a directory of its own, in which it runs the program.
class CommandTestCase: SeededTestCase {
  private(set) var directory = ""

  /// Seconds in which bad input has to end every rank.
  let patience = 10.0

  override func setUpWithError() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("u2pl-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    directory = url.resolvingSymlinksInPath().path
    try write("tiny.yaml", tinyConfiguration())
  }

  override func tearDownWithError() throws {
    try FileManager.default.removeItem(atPath: directory)
  }

  func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// Writes a file, with the directories it needs.
  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws {
    let url = URL(fileURLWithPath: path(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func write(_ name: String, _ text: String) throws { try write(name, text.utf8) }

  // MARK: Running

  /// Runs the program to its end, which must come within `limit` seconds.
  func run(
    _ arguments: [String], ranks: Int? = nil, limit: Double = 60, file: StaticString = #filePath, line: UInt = #line
  ) throws -> Command.Outcome {
    let outcome = try Command(arguments, ranks: ranks, in: directory).wait(limit: limit)
    XCTAssertFalse(outcome.timedOut, "\(arguments) at \(ranks ?? 1) ranks: \(outcome.summary)", file: file, line: line)
    return outcome
  }

  /// Trains to the end with `tiny.yaml` and these settings, in the run directory `name`.
  @discardableResult
  func train(
    _ name: String, _ settings: [String] = [], ranks: Int? = nil, options: [String] = [],
    file: StaticString = #filePath, line: UInt = #line
  ) throws -> Command.Outcome {
    let outcome = try run(
      training(name, settings) + options, ranks: ranks, limit: 120, file: file, line: line)
    XCTAssertEqual(outcome.status, 0, outcome.summary, file: file, line: line)
    return outcome
  }

  /// The arguments of ``train(_:_:ranks:options:file:line:)``.
  func training(_ name: String, _ settings: [String] = [], config: String = "tiny.yaml") -> [String] {
    ["train", "--config", config, "--run", name] + settings.flatMap { ["--set", $0] }
  }

  /// Runs a command on bad input, by itself and on two ranks. Each time it has to end within ``patience`` with `status`
  /// and one message that says all `parts`, and nothing may have changed but logs.
  func assertRefused(
    _ arguments: [String], at ranks: [Int?] = [nil, 2], status: Int32 = 2, saying parts: [String],
    file: StaticString = #filePath, line: UInt = #line
  ) throws {
    let before = try contents()
    for ranks in ranks where ranks == nil || !Command.isWithoutMPIRun {
      let outcome = try run(arguments, ranks: ranks, limit: patience, file: file, line: line)
      let place = "at \(ranks ?? 1) ranks: \(outcome.summary)"
      XCTAssertEqual(outcome.status, status, place, file: file, line: line)
      let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("u2pl: error:") }
      XCTAssertEqual(messages.count, 1, place, file: file, line: line)
      for part in parts where !outcome.errors.contains(part) {
        XCTFail("“\(part)” is not said \(place)", file: file, line: line)
      }
      for sign in ["Fatal error", "Stack dump", "Segmentation fault"] where outcome.errors.contains(sign) {
        XCTFail("a crash \(place)", file: file, line: line)
      }
      let after = try contents()
      let changed = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
      XCTAssertEqual(changed.sorted(), [], "files have changed \(place)", file: file, line: line)
    }
  }

  func assertRefused(
    _ arguments: [String], at ranks: [Int?] = [nil, 2], status: Int32 = 2, saying parts: String...,
    file: StaticString = #filePath, line: UInt = #line
  ) throws {
    try assertRefused(arguments, at: ranks, status: status, saying: parts, file: file, line: line)
  }

  /// Every file below the test's directory but logs, with what it holds; of links where they lead.
  private func contents() throws -> [String: Data] {
    var found: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: directory) where !name.contains("logs/") {
      if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path(name)) {
        found[name] = Data(target.utf8)
      } else {
        found[name] = FileManager.default.contents(atPath: path(name))
      }
    }
    return found
  }

  /// Waits until a running command has left a checkpoint, and this many lines of metrics: one a step or an evaluation.
  func wait(
    for command: Command, _ name: String, lines: Int, file: StaticString = #filePath, line: UInt = #line
  ) {
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while ProcessInfo.processInfo.systemUptime < limit, command.isRunning {
      let done = (try? metrics(name).count) ?? 0
      if done >= lines, FileManager.default.fileExists(atPath: path("\(name)/checkpoints/latest")) { return }
      usleep(2000)
    }
    XCTFail("\(name) has not got \(lines) lines of metrics: \(command.wait(limit: 0).summary)", file: file, line: line)
  }

  // MARK: What a run leaves

  /// The lines of `metrics.jsonl` as they stand there, without the times.
  func metrics(_ run: String) throws -> [String] {
    let text = try String(contentsOfFile: path("\(run)/metrics.jsonl"), encoding: .utf8)
    return text.split(separator: "\n").map { String($0.replacing(/,"seconds":[^,}]*/, with: "")) }
  }

  /// The lines of a file, without empty ones.
  func lines(of file: String) throws -> [String] {
    try String(contentsOfFile: path(file), encoding: .utf8).split(separator: "\n").map(String.init)
  }

  func json(_ line: String) throws -> [String: Any] {
    try XCTUnwrap(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], line)
  }

  func checkpoint(_ run: String, step: Int) -> String {
    path("\(run)/checkpoints/step-\(String(format: "%08d", step)).h5")
  }

  /// Two runs have to have computed the same digits, and left the same last checkpoint.
  func assertSame(
    _ first: String, _ second: String, lastStep: Int, file: StaticString = #filePath, line: UInt = #line
  ) throws {
    let (a, b) = try (metrics(first), metrics(second))
    XCTAssertEqual(a.count, b.count, "lines of metrics", file: file, line: line)
    for (a, b) in zip(a, b) where a != b { return XCTFail("\(a)\n\(b)", file: file, line: line) }
    let paths = (checkpoint(first, step: lastStep), checkpoint(second, step: lastStep))
    XCTAssertTrue(
      FileManager.default.contentsEqual(atPath: paths.0, andPath: paths.1), "\(paths.0) and \(paths.1) differ",
      file: file, line: line)
  }

  // MARK: Other programs

  /// Runs a program that checks or makes something; skips the test where it is not installed.
  @discardableResult
  func tool(
    _ path: String, _ arguments: [String], package: String, file: StaticString = #filePath, line: UInt = #line
  ) throws -> String {
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw XCTSkip("\(path) is missing, nothing is tested; install \(package)")
    }
    let process = Process(), pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 0, "\(path): \(output)", file: file, line: line)
    return output
  }

  /// Runs a Python script that may use h5py.
  @discardableResult
  func python(
    _ script: String, _ arguments: String..., file: StaticString = #filePath, line: UInt = #line
  ) throws -> String {
    try python(script, arguments: arguments, file: file, line: line)
  }

  @discardableResult
  func python(
    _ script: String, arguments: [String], file: StaticString = #filePath, line: UInt = #line
  ) throws -> String {
    let python = "/usr/bin/python3"
    guard FileManager.default.isExecutableFile(atPath: python), try hasH5py(python) else {
      throw XCTSkip("\(python) with h5py is missing, nothing is tested; install python3-h5py")
    }
    return try tool(python, ["-c", script] + arguments, package: "python3-h5py", file: file, line: line)
  }

  private func hasH5py(_ python: String) throws -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", "import h5py, numpy"]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus == 0
  }
}

/// A run of a second: supervised and semi-supervised steps with everything on that draws at random.
///
/// - Parameter data: the section of this name; generated images unless given.
func tinyConfiguration(
  data: String = "{kind: shapes, size: 33, labeled: 5, unlabeled: 7, validation: 5, classes: 4}"
) -> String {
  """
  run: {seed: 7}
  data: \(data)
  batch: {labeled: 2, unlabeled: 2}
  augment: {scale: [0.75, 1.5], flip: on, crop: 33, rotate: 10, blur: 1, color: [0.3, 0.3, 0.3, 0.1], mix: cutmix}
  model: {encoder: resnet18, encoder_width: 0.25, width: 16, features: 16, dilations: [2, 4, 6], dropout: 0.1}
  optimizer: {learning_rate: 0.01, head_factor: 1}
  schedule: {epochs: 3, steps_per_epoch: 2, supervised_epochs: 1}
  u2pl: {capacity: 500, enqueue_per_step: 64, anchors: 16, negatives: 8, low_rank: 1, high_rank: 4}
  compute: {threads: 1}

  """
}
