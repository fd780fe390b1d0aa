import Checkpoint
import Foundation
import RunLogs

/// What a run has left in its directory.
struct RunState {
  let directory: RunDirectory

  /// The files of all checkpoints, as they are now: one that is written again is another.
  var checkpointFiles: [CheckpointFile] {
    ((try? directory.checkpoints()) ?? []).compactMap { step, path in
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      return CheckpointFile(
        step: step, inode: status.st_ino, seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }
  }

  struct CheckpointFile: Hashable {
    let step: Int
    let inode: ino_t
    let seconds: Int
    let nanoseconds: Int
  }

  /// The step of the newest checkpoint, nil where there is none.
  var newestCheckpoint: Int? { (try? directory.checkpoints())?.first?.step }

  /// The instructions of the newest attempt of a launch at this run, nil where there is none.
  var instructions: HostFacts.Instructions? {
    let name = LaunchRecord.last(of: directory.logsPath + "/launch.jsonl").last { $0.instructions != nil }?.instructions
    return HostFacts.Instructions.allCases.first { "\($0)" == name }
  }
}
