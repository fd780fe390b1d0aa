import Foundation
import XCTest

/// Disks that are full, made of a small tmpfs: a run goes on, says each time what did not fit, and loses nothing else.
final class FullDiskTests: CommandTestCase {
  private let settings = ["checkpoint.every_steps=1", "checkpoint.keep=99"]
  private var disk: String { path("disk") }

  /// Mounts a disk of so many bytes at `disk`.
  private func mount(bytes: Int) throws {
    guard geteuid() == 0 else { throw XCTSkip("SKIPPED: only root can mount a small disk, nothing is tested") }
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    let (status, text) = try system("/bin/mount", "-t", "tmpfs", "-o", "size=\(bytes)", "u2pl-test", disk)
    guard status == 0 else { throw XCTSkip("SKIPPED: a small disk cannot be mounted here, nothing is tested: \(text)") }
  }

  override func tearDownWithError() throws {
    // Lazily: a process that a failed test has left may still be in it.
    if FileManager.default.fileExists(atPath: disk) { _ = try system("/bin/umount", "-l", disk) }
    try super.tearDownWithError()
  }

  private func system(_ program: String, _ arguments: String...) throws -> (status: Int32, output: String) {
    let process = Process(), pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }

  /// Fills the disk to its last byte. Once is not enough while a run is at work, which gives back the room of a checkpoint that it
  /// could not finish.
  private func fill() throws {
    let descriptor = open("\(disk)/filler", O_WRONLY | O_CREAT | O_APPEND, 0o644)
    XCTAssertGreaterThanOrEqual(descriptor, 0)
    defer { close(descriptor) }
    for size in [1 << 16, 1] {
      let block = [UInt8](repeating: 1, count: size)
      while Foundation.write(descriptor, block, size) > 0 {}
    }
    XCTAssertEqual(errno, ENOSPC)
  }

  private func size(_ path: String) throws -> Int {
    try XCTUnwrap(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
  }

  /// Every checkpoint of a run verifies, `latest` leads to the newest, and nothing half-written is left.
  private func assertGood(_ name: String, newest: Int, line: UInt = #line) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: path("\(name)/checkpoints"))
    XCTAssertEqual(names.filter { $0.hasPrefix(".") }, [], line: line)
    for checkpoint in names.filter({ $0.hasPrefix("step-") }) + ["latest"] {
      let outcome = try run(["inspect", "--verify", "\(name)/checkpoints/\(checkpoint)"])
      XCTAssertEqual(outcome.status, 0, outcome.summary, line: line)
    }
    XCTAssertEqual(
      try FileManager.default.destinationOfSymbolicLink(atPath: path("\(name)/checkpoints/latest")),
      "step-\(String(format: "%08d", newest)).h5", line: line)
  }

  /// Room for two checkpoints and not for a third: those that fit stay, each of the others is warned of, and the exit says
  /// that the end of the run is not on the disk. With room, the run goes on to the same bits.
  func testCheckpointsThatDoNotFit() throws {
    try train("whole", settings)
    let one = try size(checkpoint("whole", step: 2))
    let last = try size(checkpoint("whole", step: 6))
    try mount(bytes: one + one / 2 + last + (1 << 18))
    for ranks in [nil, 2] {
      let outcome = try run(training("disk/run", settings), ranks: ranks, limit: 60)
      XCTAssertEqual(outcome.status, 1, outcome.summary)
      let kept = try FileManager.default.contentsOfDirectory(atPath: "\(disk)/run/checkpoints")
        .filter { $0.hasPrefix("step-") }.count
      XCTAssertGreaterThan(kept, 0, outcome.summary)
      XCTAssertLessThan(kept, 4, "nothing was full, so nothing is tested")
      let warnings = outcome.output.split(separator: "\n").filter {
        $0.hasPrefix("warning: disk/run/checkpoints/step-") && $0.contains("No space left on device")
      }
      XCTAssertEqual(warnings.count, 6 - kept, outcome.summary)
      XCTAssertTrue(
        outcome.errors.contains("u2pl: error: the state after step 5 is not on the disk"), outcome.summary)
      XCTAssertTrue(
        outcome.errors.contains("The newest there is disk/run/checkpoints/step-0000000\(kept).h5"), outcome.summary)
      XCTAssertEqual(try metrics("disk/run"), try metrics("whole"))
      try assertGood("disk/run", newest: kept)
      let log = try String(contentsOfFile: path("disk/run/logs/rank-0000.log"), encoding: .utf8)
      XCTAssertTrue(log.contains("warning: disk/run/checkpoints/step-00000006.h5"), log)
      if ranks == nil { try FileManager.default.removeItem(atPath: "\(disk)/run") }
    }
    _ = try system("/bin/mount", "-o", "remount,size=\(64 << 20)", disk)
    try train("disk/run", settings, options: ["--resume", "latest"])
    try assertSame("whole", "disk/run", lastStep: 6)
    try assertGood("disk/run", newest: 6)
  }

  /// Something else fills the disk to the last byte while a run is at work, and gives it free again: metrics and logs do not
  /// fit either. Nothing is missing in the end.
  func testADiskThatIsFullForAWhile() throws {
    let settings = ["checkpoint.every_steps=20", "schedule.epochs=20", "schedule.steps_per_epoch=8"]
    try train("whole", settings)
    try mount(bytes: 64 << 20)
    let command = try Command(training("disk/run", settings), ranks: nil, in: directory)
    wait(for: command, "disk/run", lines: 10)
    let limit = ProcessInfo.processInfo.systemUptime + 60
    let said = { (text: String) in command.outputSoFar.contains(text) }
    while command.isRunning, ProcessInfo.processInfo.systemUptime < limit,
      !(said("the lines wait in memory") && said("warning: disk/run/checkpoints/step-"))
    {
      try fill()
      usleep(2000)
    }
    command.send(SIGSTOP)
    XCTAssertTrue(command.isRunning, "the run was over before the disk was full")
    XCTAssertLessThan(try metrics("disk/run").count, 180)
    try FileManager.default.removeItem(atPath: "\(disk)/filler")
    command.send(SIGCONT)
    let outcome = command.wait(limit: 120)
    XCTAssertEqual(outcome.status, 0, outcome.summary)
    for words in [
      "No space left on device", "metrics.jsonl: the waiting lines have been written",
      "checkpoints could not be written;",
    ] {
      XCTAssertTrue(outcome.output.contains(words), "“\(words)” is not said: \(outcome.summary)")
    }
    try assertSame("whole", "disk/run", lastStep: 160)
    try assertGood("disk/run", newest: 160)
  }

  /// A run resumes on a disk without a byte free, and its output goes there too: it trains to the end, loses no checkpoint, and
  /// its exit code tells that the end is not on the disk.
  func testResumingOnAFullDisk() throws {
    let settings = ["checkpoint.every_steps=2"]
    try train("whole", settings)
    try mount(bytes: 64 << 20)
    try FileManager.default.copyItem(atPath: path("whole"), toPath: "\(disk)/run")
    try FileManager.default.removeItem(atPath: checkpoint("disk/run", step: 6))
    try fill()
    let program = try Command.program()
    let arguments = training("disk/run", settings) + ["--resume", "latest"]
    let outcome = try Command(
      line: ["sh", "-c", "exec \"$0\" \"$@\" > disk/output 2> disk/errors", program] + arguments, in: directory
    ).wait(limit: 60)
    XCTAssertEqual(outcome.status, 1, outcome.summary)
    XCTAssertEqual(try size("\(disk)/output"), 0)
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(disk)/run/checkpoints")
    XCTAssertEqual(names.filter { $0.hasPrefix("step-") }.sorted(), ["step-00000002.h5", "step-00000004.h5"])
    for step in [2, 4] {
      let verified = try run(["inspect", "--verify", checkpoint("disk/run", step: step)])
      XCTAssertEqual(verified.status, 0, verified.summary)
    }
    for line in try metrics("disk/run") { _ = try json(line) }

    try FileManager.default.removeItem(atPath: "\(disk)/filler")
    try train("disk/run", settings, ranks: 2, options: ["--resume", "latest"])
    try assertSame("whole", "disk/run", lastStep: 6)
    try assertGood("disk/run", newest: 6)
  }

  /// A signal on a full disk: the run still leaves in order, and says from where it will go on.
  func testStoppedOnAFullDisk() throws {
    let settings = ["checkpoint.every_steps=20", "schedule.epochs=20", "schedule.steps_per_epoch=8"]
    try mount(bytes: 64 << 20)
    let command = try Command(training("disk/run", settings), ranks: nil, in: directory)
    wait(for: command, "disk/run", lines: 10)
    let limit = ProcessInfo.processInfo.systemUptime + 60
    while !command.outputSoFar.contains("warning: disk/run/checkpoints/step-"), command.isRunning,
      ProcessInfo.processInfo.systemUptime < limit
    {
      try fill()
      usleep(2000)
    }
    command.send(SIGUSR1)
    while command.isRunning, ProcessInfo.processInfo.systemUptime < limit {
      try fill()
      usleep(2000)
    }
    let outcome = command.wait(limit: 60)
    XCTAssertEqual(outcome.status, 75, outcome.summary)
    XCTAssertTrue(outcome.output.contains("received SIGUSR1: stopped after step"), outcome.summary)
    XCTAssertTrue(outcome.output.contains("is not on the disk: its checkpoint could not be written"), outcome.summary)
    XCTAssertTrue(outcome.output.contains("The newest there is disk/run/checkpoints/step-"), outcome.summary)
  }
}
