import Dispatch
import Synchronization

/// Writes a run's checkpoints on a thread of its own, one at a time, in the order they were submitted.
public final class CheckpointWriter: Sendable {
  private let run: RunDirectory
  private let keep: Int
  private let queue = DispatchQueue(label: "u2pl.checkpoint-writer")
  /// One checkpoint being written and one waiting: more would only fill the memory of a run that outpaces its disk.
  private let places = DispatchSemaphore(value: 2)
  private let errors = Mutex<[CheckpointError]>([])

  /// `keep` is the number of newest checkpoints kept beside those that `latest` and `best` link to.
  public init(run: RunDirectory, keep: Int) {
    self.run = run
    self.keep = keep
  }

  /// Has `contents` written as the checkpoint of `step` and published; blocks only while another one is still waiting
  /// for its turn. Errors are kept for ``drainErrors()`` and ``finish()``; the next checkpoint is tried all the same.
  public func submit(step: Int, best: Bool, _ contents: CheckpointContents) {
    places.wait()
    queue.async { [self] in
      defer { places.signal() }
      do {
        try CheckpointFile.write(contents, to: run.checkpointPath(step: step))
        try run.publish(step: step, keep: keep, best: best)
      } catch {
        let error = error as? CheckpointError ?? CheckpointError(description: "\(error)")
        errors.withLock { $0.append(error) }
      }
    }
  }

  /// Waits until everything submitted is written, and throws the first error that ``drainErrors()`` has not returned.
  public func finish() throws {
    queue.sync {}
    if let first = drainErrors().first { throw first }
  }

  /// The errors since the last call, oldest first.
  public func drainErrors() -> [CheckpointError] {
    errors.withLock { errors in
      defer { errors = [] }
      return errors
    }
  }
}
