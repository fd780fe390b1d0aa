import Checkpoint
import Configuration
import Foundation

/// The run directory that `train` and `launch` use.
enum RunDirectoryChoice {
  /// The directory that is given, or that `--resume` names; without one runs/NAME after the configuration's file, or
  /// runs/NAME-2 … where that is taken.
  ///
  /// - Throws: `CheckpointError` where the directory given holds a run and `--resume` is not given.
  static func path(given: String?, configuration: Configuration, config: String, resume: String?) throws -> String {
    // A run directory in the place of a checkpoint is the run that is to go on.
    let resumed = resume.flatMap { $0 == "latest" ? nil : RunDirectory.at($0)?.path }
    if let given = given ?? configuration.run.directory ?? resumed {
      guard resume != nil || !holdsRun(given) else {
        throw CheckpointError(
          description: "\(given) already holds a run; --resume latest continues it, another --run starts a new one")
      }
      return given
    }
    let stem = URL(fileURLWithPath: config).deletingPathExtension().lastPathComponent
    var number = 1
    func name(_ number: Int) -> String { number == 1 ? "runs/\(stem)" : "runs/\(stem)-\(number)" }
    while holdsRun(name(number)) { number += 1 }
    return name(resume == "latest" && number > 1 ? number - 1 : number)
  }

  private static func holdsRun(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: RunDirectory(path: path).metricsPath)
  }
}
