import ArgumentParser
import Configuration
import Distributed
import Foundation
import Supervisor

struct Launch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs train on many ranks, and restarts it when a rank, a host or mpirun fails.",
    usage: "u2pl launch [-n <ranks>] [--hostfile <file>] [<options>] -- train --config <file> …",
    discussion: """
      Builds the mpirun line, prints it, and supervises it. When a rank or a host dies, the run restarts from its \
      newest good checkpoint on the hosts that still answer, with as many ranks as before if there is room for them, \
      else with the largest power of two that fits and divides the batch: the result is bit-identical. Only the \
      steps since the checkpoint are lost. docs/operations.md shows what it prints and what to do.

      Hosts are those of --hostfile, in Open MPI's format; inside a Slurm job those of the job; those of Open MPI's \
      default hostfile; or this machine. Other hosts are reached as mpirun reaches them: by ssh without a password, or \
      by what OMPI_MCA_plm_rsh_agent says. Without compute.threads in the configuration each rank gets cores / ranks \
      threads of the fullest host, for the whole run. Ranks are spread over the hosts evenly and bound to their cores.

      --seeds 0,1,2 makes a run for each seed, one after the other, or with --side-by-side 3 three at the same time on \
      an equal part of the cores each; the same command with --resume latest at its end continues where it was \
      interrupted. u2pl compare compares such runs with others, and u2pl report shows them in one \
      page.

      SIGTERM, SIGINT, SIGHUP and SIGUSR1 end the run after its current step and a checkpoint, with exit code 75; a \
      second SIGINT ends it at once, with 130. Each attempt is kept in logs/launch.log and logs/launch.jsonl of the \
      run directory.

      Exit codes: 0 the run is finished; 1 given up, with what happened to each attempt; 2 bad input and 64 bad usage, \
      which are not tried again; 75 stopped by a signal after a checkpoint, to be resumed; 130 interrupted twice.
      """)

  @Option(
    name: .customShort("n"),
    help: ArgumentHelp(
      "How many; must divide both batch sizes. Without it, the largest power of two there is room for.",
      valueName: "ranks"))
  var nRanks: Int?

  @Option(help: ArgumentHelp("Hosts, a line each, such as node01 slots=4.", valueName: "file"))
  var hostfile: String?

  @Option(
    help: ArgumentHelp(
      "Give up after this many restarts in a row that bring no new checkpoint; 0 never restarts.", valueName: "count"))
  var maxRestarts = 3

  @Flag(help: "Allow more ranks than slots.")
  var oversubscribe = false

  @Option(
    help: ArgumentHelp(
      "core: a rank has cores of its own where there are enough; none: the system decides.", valueName: "how"))
  var bindTo = Binding.core

  @Option(
    name: .customShort("x"),
    help: ArgumentHelp(
      "An environment variable for all ranks; may be repeated. OMP_…, OPENBLAS_…, HDF5_… and the like are passed on anyway.",
      valueName: "name[=value]"))
  var variables: [String] = []

  @Option(
    help: ArgumentHelp(
      "After this long without a step or a line of output, ask the hosts whether they are still there; where steps take "
        + "longer, ever more seldom, down to once in 160 s.",
      valueName: "seconds"))
  var probeSeconds = 10.0

  @Option(
    help: ArgumentHelp(
      "An attempt whose ranks have not reached each other by then has failed: MPI itself may wait for ever.",
      valueName: "seconds"))
  var startSeconds = 600.0

  @Option(
    help: ArgumentHelp(
      "Pause before a restart; doubles with each further one that brings no newer checkpoint, up to a minute.",
      valueName: "seconds"))
  var backoff = 1.0

  @Option(
    help: ArgumentHelp(
      "A run for each of these seeds, in DIR-seed-N for train's --run DIR.", valueName: "0,1,2|0-4"))
  var seeds: SeedList?

  @Option(
    help: ArgumentHelp(
      "With --seeds: so many runs at the same time, each on an equal part of every host's slots and cores.",
      valueName: "count"))
  var sideBySide = 1

  /// Of a launch that is one of several side by side: how many they are.
  @Option(help: .private)
  var sharers = 1

  @Flag(help: "Ask the hosts, show the mpirun line, and start nothing.")
  var dryRun = false

  @Argument(parsing: .postTerminator, help: ArgumentHelp("train and its options.", valueName: "command"))
  var command: [String]

  enum Binding: String, ExpressibleByArgument, CaseIterable { case core, none }

  func validate() throws {
    guard command.first == "train" else {
      throw ValidationError("launch runs train, as in: u2pl launch -n 4 -- train --config FILE; start others by mpirun")
    }
    if let nRanks, !(1...65536).contains(nRanks) {
      throw ValidationError("-n \(nRanks): it takes a number from 1 to 65536")
    }
    guard maxRestarts >= 0 else { throw ValidationError("--max-restarts \(maxRestarts): it takes 0 or more") }
    guard (0.1...86400).contains(probeSeconds) else {
      throw ValidationError("--probe-seconds \(probeSeconds): it takes seconds from 0.1 to 86400")
    }
    guard (1...86400).contains(startSeconds) else {
      throw ValidationError("--start-seconds \(startSeconds): it takes seconds from 1 to 86400")
    }
    guard (0...60).contains(backoff) else {
      throw ValidationError("--backoff \(backoff): it takes seconds from 0 to 60")
    }
    for variable in variables where variable.wholeMatch(of: /[A-Za-z_][A-Za-z0-9_]*(=.*)?/.dotMatchesNewlines()) == nil
    {
      throw ValidationError("-x \(variable): it takes NAME or NAME=VALUE")
    }
    guard (1...1000).contains(sideBySide), (1...1000).contains(sharers) else {
      throw ValidationError("--side-by-side \(sideBySide): it takes a number from 1 to 1000")
    }
    if seeds != nil {
      try requireSeedsFit()
    } else if sideBySide > 1 {
      throw ValidationError("--side-by-side needs --seeds")
    }
    if try training().dryRun {
      throw ValidationError(
        "a dry run is one attempt: u2pl launch --dry-run shows the line, mpirun … train --dry-run runs it")
    }
  }

  private func requireSeedsFit() throws {
    let training = try training()
    if training.options.overrides.contains(where: { $0.hasPrefix("run.seed=") }) {
      throw ValidationError("--seeds gives each run its seed; leave out --set run.seed")
    }
    if let resume = training.resume, resume != "latest" {
      throw ValidationError("--seeds resumes all runs, which takes --resume latest; \(resume) belongs to one run")
    }
  }

  /// The options of `train`.
  private func training() throws -> Train { try Self.training(command) }

  private static func training(_ command: [String]) throws -> Train {
    do { return try Train.parse(Array(command.dropFirst())) } catch {
      if Train.exitCode(for: error) == .success { throw CleanExit.message(Train.fullMessage(for: error)) }
      throw ValidationError("train: \(Train.message(for: error))")
    }
  }

  func run() throws {
    guard !MPIEnvironment.isLaunched else {
      refuse("launch starts the ranks by itself; run it once, without mpirun or srun")
    }
    Supervisor.listenForSignals()
    OwnProcess.unbindIfBound()
    do {
      let code = try seeds.map { try launch(seeds: $0.seeds) } ?? launch(command)
      if code != 0 { Foundation.exit(code) }
    } catch {
      refuse("\(error)")
    }
  }

  private func launch(seeds: [UInt64]) throws -> Int32 {
    let runs = try seedRuns(seeds)
    let most = min(sideBySide, seeds.count)
    guard most > 1, !dryRun else { return try runs.inTurn(say: RankedProcess.say) { try launch($0, sharers: most) } }
    return try runs.sideBySide(
      most, line: lineOfOne(of: most), environment: ProcessInfo.processInfo.environment, say: RankedProcess.say)
  }

  /// The command line of one of several launches side by side, up to `--`.
  private func lineOfOne(of sharers: Int) -> [String] {
    var line = [Self.program, "launch", "--sharers", "\(sharers)", "--bind-to", bindTo.rawValue]
    line += ["--max-restarts", "\(maxRestarts)", "--probe-seconds", "\(probeSeconds)"]
    line += ["--start-seconds", "\(startSeconds)", "--backoff", "\(backoff)"]
    if let nRanks { line += ["-n", "\(nRanks)"] }
    if let hostfile { line += ["--hostfile", hostfile] }
    if oversubscribe { line.append("--oversubscribe") }
    return line + variables.flatMap { ["-x", $0] }
  }

  private static var program: String { Bundle.main.executableURL?.path ?? CommandLine.arguments[0] }

  private func seedRuns(_ seeds: [UInt64]) throws -> SeedRuns {
    let training = try training()
    let configuration = try Configuration.load(path: training.options.config, overrides: training.options.overrides)
    let stem = URL(fileURLWithPath: training.options.config).deletingPathExtension().lastPathComponent
    return SeedRuns(
      seeds: seeds, base: training.runPath ?? configuration.run.directory ?? "runs/\(stem)", arguments: command,
      isDryRun: dryRun)
  }

  /// Supervises a run to its end.
  ///
  /// - Parameters:
  ///   - command: `train` and its options.
  ///   - sharers: how many runs there are side by side, each with an equal part of the cores.
  /// - Returns: the exit code.
  private func launch(_ command: [String], sharers: Int? = nil) throws -> Int32 {
    let training = try Self.training(command)
    let configuration = try Configuration.load(path: training.options.config, overrides: training.options.overrides)
    let environment = ProcessInfo.processInfo.environment
    var options = try options(command, training, configuration)
    options.sharers = sharers ?? self.sharers
    guard !dryRun else {
      try Supervisor.preview(options, environment: environment).forEach(RankedProcess.say)
      return 0
    }
    return try Supervisor(options, environment: environment).run()
  }

  private func options(
    _ command: [String], _ training: Train, _ configuration: Configuration
  ) throws -> LaunchOptions {
    var options = LaunchOptions(
      program: Self.program, arguments: command,
      runDirectory: try RunDirectoryChoice.path(
        given: training.runPath, configuration: configuration, config: training.options.config, resume: training.resume),
      namesRun: training.runPath != nil || configuration.run.directory != nil,
      resume: training.resume.map { $0 == "latest" ? .latest : .path($0) } ?? .no,
      batch: (configuration.batch.labeled, configuration.u2pl.enabled ? configuration.batch.unlabeled : 0),
      threads: configuration.compute.threads)
    options.family = MPIEnvironment.family == .openMPI ? .openMPI : .mpich
    options.ranks = nRanks
    options.hostfile = hostfile
    options.maxRestarts = maxRestarts
    options.oversubscribe = oversubscribe
    options.binding = bindTo == .core ? .core : .none
    options.probeSeconds = probeSeconds
    options.startSeconds = startSeconds
    options.backoff = backoff
    options.passed = variables
    return options
  }

  private func refuse(_ message: String) -> Never {
    RankedProcess.show("u2pl: error: \(message)", isError: true)
    Foundation.exit(2)
  }
}
