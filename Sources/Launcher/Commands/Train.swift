import ArgumentParser
import Checkpoint
import Compute
import Configuration
import Distributed
import Foundation
import HDF5
import Supervisor
import Trainer

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains a network: as one process, or on several ranks under mpirun or u2pl launch.",
    discussion: """
      A run directory holds config.yaml (every default written out), metrics.jsonl (a line a step), checkpoints/ and a \
      log for each rank in logs/. Without --run and run.directory it is runs/NAME, after the name of the configuration's \
      file, or runs/NAME-2 … if runs/NAME exists.

      The number of ranks must divide both batch sizes. Runs on 1, 2, 4, 8 … ranks are bit-identical, so a run \
      can be resumed on another number of ranks.

      SIGTERM, SIGINT, SIGUSR1 and SIGHUP, to any rank, end the run after its current step and a checkpoint, with exit \
      code 75 (except SIGHUP under nohup). The resumed run makes an evaluation that was due or running. A second SIGINT \
      ends the run at once. mpirun passes SIGUSR1 on; at SIGTERM and SIGINT it gives ranks only a second.
      """)

  @OptionGroup var options: ConfigurationOptions

  @Option(
    help: ArgumentHelp(
      "Continue from the newest good checkpoint of the run directory, from a file, or from another run's directory.",
      valueName: "latest|path"))
  var resume: String?

  @Flag(
    help:
      "Resume although keys that --set names change the run: seed, lists, batch sizes and the like."
  )
  var resumeChanged = false

  @Option(name: .customLong("run"), help: ArgumentHelp("The run directory.", valueName: "dir"))
  var runPath: String?

  @Flag(help: "Check all inputs and estimate memory and time by a short calibration; write nothing.")
  var dryRun = false

  func validate() throws {
    if resumeChanged, resume == nil {
      throw ValidationError("--resume-changed is for a resumed run: give --resume latest, or --resume PATH")
    }
  }

  func run() throws {
    ParentProcess.dieWithItIfLaunched()
    // What is wrong with it is said when all ranks can say it together.
    let threads = (try? Configuration.load(path: options.config, overrides: options.overrides))?.compute.threads
    try RankedProcess.run(writesRun: !dryRun, threads: threads) { ranks in
      let configuration = try ranks.together {
        try Configuration.load(path: options.config, overrides: options.overrides)
      }
      try ranks.together { try BLAS.load() }
      if dryRun {
        _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
        return try DryRun(configuration: configuration, ranks: ranks).run()
      }
      let directory = try runDirectory(configuration, ranks)
      var attributes: [String: AttributeValue] = ["version": .string(Version.number)]
      if let commit = Version.commit { attributes["git_commit"] = .string(commit) }
      StopRequest.listen()
      let training = try TrainingRun(
        configuration, directory: directory,
        resume: resume.map {
          .init($0 == "latest" ? .latest : .path($0), changing: resumeChanged ? options.overrides : [])
        }, ranks: ranks,
        provenance: .init(attributes: attributes) { resumed in
          try RankedProcess.setThreads(configuration.compute.threads, resumed: resumed, ranks: ranks)
        }, say: RankedProcess.say)
      try training.run()
    }
  }

  /// The run directory, as rank 0 finds it; the same on all ranks.
  private func runDirectory(_ configuration: Configuration, _ ranks: Communicator) throws -> RunDirectory {
    var path = ""
    try ranks.together {
      guard ranks.rank == 0 else { return }
      path = try RunDirectoryChoice.path(
        given: runPath, configuration: configuration, config: options.config, resume: resume)
    }
    return RunDirectory(path: try ranks.broadcast(path, from: 0))
  }
}
