import Dispatch
import Synchronization

/// Writes a run's checkpoints on a thread of its own, one at a time, in the order they were submitted.
public final class CheckpointWriter: Sendable {
  private let run: RunDirectory
  private let keep: Int
  private let prepare: @Sendable () throws -> Void
  private let queue = DispatchQueue(label: "u2pl.checkpoint-writer")
  /// One checkpoint being written and one waiting: more would only fill the memory of a run that outpaces its disk.
  private let places = DispatchSemaphore(value: 2)
  private let outcome = Mutex(Outcome())

  private struct Outcome {
    var errors: [CheckpointError] = []
    var failed = 0
    var last: (step: Int, isWritten: Bool)?
    var written: (@Sendable (_ step: Int) -> Void)?
    private var hasTextLinks = false

    /// - Returns: whether this is the first time.
    mutating func takesTextLinks() -> Bool {
      defer { hasTextLinks = true }
      return !hasTextLinks
    }
  }

  /// - Parameters:
  ///   - keep: the number of newest checkpoints kept beside those that `latest` and `best` link to.
  ///   - prepare: called before each checkpoint is written, to put other data on the disk first. An error of it is kept
  ///     like others, and the checkpoint is written all the same.
  public init(run: RunDirectory, keep: Int, prepare: @escaping @Sendable () throws -> Void = {}) {
    self.run = run
    self.keep = keep
    self.prepare = prepare
  }

  /// Has `contents` written as the checkpoint of `step` and published; blocks only while another one is still waiting
  /// for its turn. Errors are kept for ``drainErrors()`` and ``finish()``; the next checkpoint is tried all the same.
  public func submit(step: Int, best: Bool, _ contents: CheckpointContents) {
    places.wait()
    queue.async { [self] in
      defer { places.signal() }
      do { try prepare() } catch { note(error, isFailure: false) }
      do {
        try CheckpointFile.write(contents, to: run.checkpointPath(step: step))
        outcome.withLock { outcome in
          outcome.last = (step, true)
          return outcome.written
        }?(step)
      } catch {
        note(error)
        outcome.withLock { $0.last = (step, false) }
        return
      }
      // The checkpoint is there and will be found, even if links cannot be made or old ones not removed.
      do { try run.publish(step: step, keep: keep, best: best) } catch { note(error, isFailure: false) }
      if run.hasTextLinks, outcome.withLock({ $0.takesTextLinks() }) {
        note(
          CheckpointError(
            description:
              "\(run.checkpointsPath): links cannot be made here, so latest and best are files with the name of a "
              + "checkpoint, which u2pl follows; other programs want step-….h5"), isFailure: false)
      }
    }
  }

  /// - Parameter isFailure: whether a checkpoint is missing.
  private func note(_ error: any Error, isFailure: Bool = true) {
    let error = error as? CheckpointError ?? CheckpointError(description: "\(error)")
    outcome.withLock { outcome in
      outcome.errors.append(error)
      if isFailure { outcome.failed += 1 }
    }
  }

  /// From now on `body` is called, on the writer's thread, for each checkpoint that is on the disk.
  public func whenWritten(_ body: @escaping @Sendable (_ step: Int) -> Void) {
    outcome.withLock { $0.written = body }
  }

  /// Waits until all that was submitted is written, or has failed.
  public func wait() { queue.sync {} }

  /// The same, for at most so many seconds: a file system may hang.
  ///
  /// - Returns: whether all is written, or has failed.
  public func wait(seconds: Double) -> Bool {
    let done = DispatchSemaphore(value: 0)
    queue.async { done.signal() }
    return done.wait(timeout: .now() + seconds) == .success
  }

  /// Waits, and throws the first error that ``drainErrors()`` has not returned.
  public func finish() throws {
    wait()
    if let first = drainErrors().first { throw first }
  }

  /// The errors since the last call, oldest first.
  public func drainErrors() -> [CheckpointError] {
    outcome.withLock { outcome in
      defer { outcome.errors = [] }
      return outcome.errors
    }
  }

  /// How many checkpoints could not be written since the beginning.
  public var failureCount: Int { outcome.withLock { $0.failed } }

  /// The step of the checkpoint that was tried last, where it is not on the disk.
  public var missingLast: Int? { outcome.withLock { outcome in outcome.last.flatMap { $0.isWritten ? nil : $0.step } } }
}
