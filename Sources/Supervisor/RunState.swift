import Checkpoint
import Foundation
import RunLogs

/// The state of a run, as its directory shows it.
struct RunState {
  let directory: RunDirectory

  /// The files of all checkpoints at this moment. A checkpoint that is rewritten counts as another file.
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

  /// The threads of a rank of the run that a launch goes on with; nil where that is not known, or nothing is gone on
  /// with.
  func threads(_ resume: LaunchOptions.Resume) -> Int? {
    func newest(_ run: RunDirectory) -> Int? {
      ((try? run.checkpoints()) ?? []).lazy.compactMap { Checkpoint.CheckpointFile.threads($0.path) }.first
    }
    return switch resume {
    case .no: nil
    case .path(let path): RunDirectory.at(path).map(newest) ?? Checkpoint.CheckpointFile.threads(path)
    case .latest: newest(directory)
    }
  }

  /// The instruction set of a launch's newest attempt at this run, nil where there is none.
  var instructions: HostFacts.Instructions? {
    let name = LaunchRecord.last(of: directory.logsPath + "/launch.jsonl").last { $0.instructions != nil }?.instructions
    return HostFacts.Instructions.allCases.first { "\($0)" == name }
  }
}
