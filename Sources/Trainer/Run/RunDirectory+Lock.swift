import Checkpoint
import Files
import Foundation

extension RunDirectory {
  /// Keeps other processes from training in this directory until this one ends. On rank 0.
  ///
  /// - Parameters:
  ///   - isLaunched: whether a launch supervises this run. Launches keep each other out by a lock of their own, so a
  ///     holder on another host is what a lost host has left, and a file server gives its locks up within minutes.
  ///   - begins: whether the run begins here, so that there may be none yet.
  /// - Throws: ``CheckpointError`` naming who holds it.
  func lock(isLaunched: Bool, begins: Bool) throws -> FileLock {
    let path = FileSystem.join(logsPath, "train.lock")
    let start = ProcessInfo.processInfo.systemUptime
    while true {
      do {
        let lock = try FileLock(path: path)
        guard !begins || !FileManager.default.fileExists(atPath: metricsPath) else {
          throw CheckpointError(
            description:
              "\(self.path) holds a run by now; --resume latest continues it, another --run starts a new one")
        }
        return lock
      } catch let held as FileLock.Held {
        let isElsewhere = held.host.map { $0 != ProcessInfo.processInfo.hostName } ?? false
        // A process that was killed may take a moment to end.
        guard ProcessInfo.processInfo.systemUptime - start < (isLaunched && isElsewhere ? 180 : 3) else {
          throw CheckpointError(
            description:
              "another process trains in \(self.path) (\(held.holder)); wait for its end, stop it, or give another "
              + "--run"
              + (isElsewhere ? ". Where that host is gone and its file server does not know it, remove \(path)" : ""))
        }
        usleep(100_000)
      }
    }
  }
}
