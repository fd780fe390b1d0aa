import Checkpoint
import Files
import Foundation
import RunLogs

/// What rank 0 keeps of a run on the disk: metrics and checkpoints. A full disk does not end the run; the user is told
/// when it happens, and again at the end.
final class RunRecords {
  private let directory: RunDirectory
  private let writer: CheckpointWriter
  private let metrics: MetricsFile
  private let log: RankLog
  private let say: (String) -> Void
  private var linesWait = false
  private var submitted = 0
  private var isClosed = false

  /// Where an interrupted run goes on.
  struct Resumption {
    /// The first step that is computed.
    let step: Int
    /// Whether the run begins with the evaluation after the step before.
    let evaluatesAgain: Bool
  }

  /// - Parameters:
  ///   - resumption: nil starts `metrics.jsonl` anew.
  ///   - fault: what a test has ordered to go wrong.
  init(
    _ directory: RunDirectory, keep: Int, resumption: Resumption?, fault: InjectedFault, log: RankLog,
    say: @escaping (String) -> Void
  ) throws {
    self.directory = directory
    self.log = log
    self.say = say
    let metrics = try MetricsFile(
      path: directory.metricsPath, resumeAt: resumption?.step, evaluatesAgain: resumption?.evaluatesAgain ?? false)
    self.metrics = metrics
    let delay = fault.secondsOfDisk
    writer = CheckpointWriter(run: directory, keep: keep) {
      if delay > 0 { Thread.sleep(forTimeInterval: delay) }
      // A run that is resumed after a power cut lacks no line from before its checkpoint.
      try metrics.synchronize()
    }
  }

  /// A line of `metrics.jsonl`; one that does not fit waits until the file takes it.
  func append(_ line: JSONLine) {
    do {
      try metrics.append(line.text)
      if linesWait { tell("\(directory.metricsPath): the waiting lines have been written") }
      linesWait = false
    } catch {
      if !linesWait { warn("\(error). Training goes on; the lines wait in memory and are written when there is room") }
      linesWait = true
    }
    reportErrors()
  }

  /// Tells of each checkpoint that is on the disk.
  func tell(_ events: EventWriter) { writer.whenWritten { events.tell(.checkpoint(step: $0)) } }

  /// Has a checkpoint written while training goes on.
  func submit(step: Int, best: Bool, _ contents: CheckpointContents) {
    writer.submit(step: step, best: best, contents)
    submitted += 1
    log.info("checkpoint \(directory.checkpointPath(step: step)) submitted")
  }

  /// Seconds that a run which fails leaves a checkpoint that is on its way to the disk.
  private static let patience = 60.0

  /// Returns when no checkpoint is on its way to the disk, or after a minute.
  func waitForCheckpoints() { _ = writer.wait(seconds: Self.patience) }

  /// Waits for the last checkpoint and closes the files.
  ///
  /// - Returns: what is missing on the disk, nil when the run's state is there.
  func finish() -> String? {
    writer.wait()
    return close()
  }

  /// The same for a run that fails, which a disk that hangs must not keep; what is missing is a warning then. Does
  /// nothing after ``finish()``.
  func finishAfterFailure() {
    guard !isClosed else { return }
    if !writer.wait(seconds: Self.patience) {
      warn("a checkpoint has not got to the disk in \(Int(Self.patience)) s; it is no longer waited for")
    }
    if let missing = close() { warn(missing) }
  }

  private func close() -> String? {
    isClosed = true
    reportErrors()
    let lines = metrics.close()
    if writer.failureCount > 0 {
      warn(
        "\(writer.failureCount) of \(submitted) checkpoints could not be written; each was named when it happened"
      )
    }
    var missing: [String] = []
    if let step = writer.missingLast {
      let newest = (try? directory.checkpoints())?.first
      missing.append(
        "the state after step \(step - 1) is not on the disk: its checkpoint could not be written. "
          + (newest.map { "The newest there is \($0.path); make room, then --resume latest continues from it" }
            ?? "There is none in \(directory.checkpointsPath) yet"))
    }
    if lines > 0 { missing.append("\(lines) lines of \(directory.metricsPath) could not be written and are lost") }
    return missing.isEmpty ? nil : missing.joined(separator: "; ")
  }

  /// A checkpoint that could not be written does not end the run; the older ones are still there.
  private func reportErrors() { writer.drainErrors().forEach { warn("\($0)") } }

  private func warn(_ text: String) {
    say("warning: \(text)")
    log.warn(text)
  }

  private func tell(_ text: String) {
    say(text)
    log.info(text)
  }
}
