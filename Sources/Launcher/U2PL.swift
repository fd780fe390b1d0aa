import ArgumentParser
import Compute
import Configuration
import Distributed
import Foundation

/// The command `u2pl`.
@main
struct U2PL: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "u2pl",
    abstract: "Trains semantic segmentation from few labeled and many unlabeled images on a CPU cluster.",
    discussion: """
      Runs by itself as one rank, or as many ranks under mpirun:

        mpirun -n 2 --hostfile hostfiles/localhost u2pl train --config configs/shapes-demo.yaml
        u2pl launch -n 2 -- train --config configs/shapes-demo.yaml      the same, restarted after failures

      Exit codes: 0 done; 1 the run failed; 2 bad input (a message says which file, where, and what to do); 3 some \
      images could not be read, the others are done; 64 bad usage; 75 stopped by a signal after a checkpoint, to be \
      resumed.
      """,
    version: Version.text,
    subcommands: [
      Train.self, Launch.self, Watch.self, Evaluate.self, Predict.self, Suggest.self, Review.self, Inspect.self,
      Logs.self, ReportCommand.self, Compare.self, WeightsCommand.self, DataCommand.self, Bench.self, Plan.self,
    ])

  static func main() {
    // A file that may grow no further (ulimit -f) is an error like a full disk, and not the end.
    signal(SIGXFSZ, SIG_IGN)
    guard Processor.suffices else {
      let message = "this processor has no AVX2; take a newer host, or build with \"processor\" empty in Package.swift"
      RankedProcess.tellLaunch(message, code: 1, rank: MPIEnvironment.launchedRank ?? 0, step: 0)
      RankedProcess.show("u2pl: error: \(message)", isError: true)
      Foundation.exit(1)
    }
    do {
      var command = try parseAsRoot(CommandLine.arguments.dropFirst().map(withHome))
      try command.run()
    } catch {
      // Under mpirun all ranks read the same command line. One of them says what is wrong with it, and the others wait
      // for it in MPI_Finalize: mpirun ends the job a second after the first rank has left with an error.
      if let ranks = try? MPIEnvironment.start(), ranks.size > 1 {
        if ranks.rank == 0 { RankedProcess.show(fullMessage(for: error), isError: exitCode(for: error) != .success) }
        MPIEnvironment.finish()
        Foundation.exit(exitCode(for: error).rawValue)
      }
      exit(withError: error)
    }
  }
}

/// `--option=~/PATH` with the home folder in place of `~`, as the shell would have it in `--option ~/PATH`.
private func withHome(_ argument: String) -> String {
  guard argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") else { return argument }
  let start = argument.index(after: equals)
  return argument[..<start] + expandingHome(String(argument[start...]))
}

/// Options of every command that reads a configuration.
struct ConfigurationOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The configuration, YAML; docs/config.md lists its keys.", valueName: "file"))
  var config: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Sets one key, such as --set data.root=PATH; may be repeated.", valueName: "key=value"))
  var overrides: [String] = []
}
