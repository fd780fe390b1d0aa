import Foundation
import HDF5
import XCTest

/// A running `u2pl`, by itself or under `mpirun`. Its output goes to files, so that no pipe can fill up.
final class Command {
  /// How a command ended.
  struct Outcome {
    /// The exit code, or minus the signal.
    let status: Int32
    let output: String
    let errors: String
    let seconds: Double
    /// Whether it had to be killed because its time was up.
    let timedOut: Bool

    /// For messages of failed assertions.
    var summary: String {
      "status \(status)\(timedOut ? ", killed because its time was up" : "") after \(seconds) s\n\(output)\n\(errors)"
    }
  }

  private let process = Process()
  private let ended = DispatchSemaphore(value: 0)
  private let start = ProcessInfo.processInfo.systemUptime
  private let outputPath: String
  private let errorsPath: String

  /// Starts it.
  ///
  /// - Parameters:
  ///   - ranks: nil starts one process without `mpirun`.
  ///   - late: seconds by which rank 0 starts after the others.
  ///   - directory: the working directory; the files of its output lie beside it.
  ///   - additions: environment variables set for it.
  convenience init(
    _ arguments: [String], ranks: Int?, late: Double = 0, in directory: String,
    environment additions: [String: String] = [:]
  ) throws {
    let mpirun = ranks.map { ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", "\($0)"] } ?? []
    let delay = ["sh", "-c", "[ $OMPI_COMM_WORLD_RANK != 0 ] || sleep \(late); exec \"$0\" \"$@\""]
    try self.init(
      line: mpirun + (late > 0 ? delay : []) + [Self.program()] + arguments, in: directory, environment: additions)
  }

  /// Whether tests that start `mpirun` are left out, as `make check` asks for.
  static let isWithoutMPIRun = ProcessInfo.processInfo.environment["U2PL_WITHOUT_MPIRUN"] == "1"

  /// Whether a command line starts `mpirun`, unless it finds a script in its place.
  private static func startsMPIRun(_ line: [String], _ additions: [String: String]) -> Bool {
    let scripts = ["/Scripts/cluster", "/Scripts/chaos"]
    return additions["PATH"] == nil
      && line.contains { word in ["mpirun", "launch"].contains(word) || scripts.contains { word.hasSuffix($0) } }
  }

  /// Starts any command line.
  init(line: [String], in directory: String, environment additions: [String: String] = [:]) throws {
    if Self.isWithoutMPIRun, Self.startsMPIRun(line, additions) { throw XCTSkip("starts mpirun") }
    let name = "\(directory)-\(UUID().uuidString)"
    (outputPath, errorsPath) = (name + ".out", name + ".err")
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.environment = Self.environment.merging(additions) { _, new in new }
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = line
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try Self.create(outputPath)
    process.standardError = try Self.create(errorsPath)
    process.terminationHandler = { [ended] _ in ended.signal() }
    try process.run()
  }

  deinit {
    kill()
    for path in [outputPath, errorsPath] { try? FileManager.default.removeItem(atPath: path) }
  }

  var isRunning: Bool { process.isRunning }

  /// What it has written to standard output until now.
  var outputSoFar: String { Self.text(outputPath) }

  /// The processes below this one: the ranks, where it is `mpirun`.
  var descendants: [pid_t] { Self.descendants(of: process.processIdentifier) }

  /// Sends a signal to the command, not to what it has started.
  func send(_ signal: Int32) { Foundation.kill(process.processIdentifier, signal) }

  /// `kill -9` of everything at once, `mpirun` and ranks.
  func kill() {
    guard process.isRunning else { return }
    // The program alone has none, and looking for ranks takes longer than some commands run.
    let isAlone = process.arguments?.first == (try? Self.program())
    let ranks = isAlone ? [] : descendants
    for process in [process.processIdentifier] + ranks { Foundation.kill(process, SIGKILL) }
  }

  /// Waits for the end, which comes by force after `limit` seconds.
  func wait(limit: Double) -> Outcome {
    let timedOut = ended.wait(timeout: .now() + max(0, limit - elapsed)) == .timedOut
    let seconds = elapsed
    if timedOut { kill() }
    process.waitUntilExit()
    ended.signal()
    return Outcome(
      status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
      output: Self.text(outputPath), errors: Self.text(errorsPath), seconds: seconds, timedOut: timedOut)
  }

  private var elapsed: Double { ProcessInfo.processInfo.systemUptime - start }

  /// Where the program was built: beside the tests.
  static func program() throws -> String {
    let tests = Bundle.main.executableURL ?? Bundle.main.bundleURL
    let program = tests.deletingLastPathComponent().appendingPathComponent("u2pl").path
    guard FileManager.default.isExecutableFile(atPath: program) else {
      throw Missing(description: "\(program) is not there; swift build --build-tests makes it")
    }
    return program
  }

  struct Missing: Error, CustomStringConvertible { let description: String }

  /// This process's, but for what an `mpirun` around the tests has set, what OpenBLAS was told here before it was loaded, and
  /// what their machine asks for: root in a container, and cores that other processes use too, where ranks that wait must
  /// let go of theirs.
  private static let environment: [String: String] = {
    let launcher = ["OMPI_", "PMIX_", "PMI_", "PRTE_", "ORTE_", "OPENBLAS_CORETYPE"]
    var environment = ProcessInfo.processInfo.environment.filter { key, _ in !launcher.contains { key.hasPrefix($0) } }
    environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
    environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
    // There may be more threads than cores: those that wait let go of theirs.
    environment["OMP_WAIT_POLICY"] = "passive"
    return environment
  }()

  private static func create(_ path: String) throws -> FileHandle {
    try Data().write(to: URL(fileURLWithPath: path))
    return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
  }

  private static func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }

  private static func descendants(of root: pid_t) -> [pid_t] {
    var children: [pid_t: [pid_t]] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
      guard let process = pid_t(name), let stat = FileManager.default.contents(atPath: "/proc/\(name)/stat") else {
        continue
      }
      // PID (NAME) STATE PARENT …, where NAME may hold spaces and parentheses.
      let fields = String(decoding: stat, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
      if fields.count > 1, let parent = pid_t(fields[1]) { children[parent, default: []].append(process) }
    }
    var found: [pid_t] = []
    var next = children[root] ?? []
    while let process = next.popLast() {
      found.append(process)
      next += children[process] ?? []
    }
    return found.sorted()
  }
}
