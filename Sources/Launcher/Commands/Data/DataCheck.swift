import ArgumentParser
import Configuration
import Dataset
import Foundation
import Trainer

extension DataCommand {
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Reads all images and masks once and says what is wrong with them.",
      discussion: """
        Under mpirun the ranks share the work. Shows for each list how many images it has, their sizes, how often each \
        class occurs and how much is ignored; then every line, file and mask that could not be trained on. Ends with \
        exit code 2 if there is any. For example:

          mpirun -n 2 u2pl data check configs/camvid.yaml --set data.root=PATH
        """)

    @OptionGroup var options: DataOptions

    func run() throws {
      try RankedProcess.run { ranks in
        let configuration = try ranks.together { try options.load() }
        _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
        let start = ProcessInfo.processInfo.systemUptime
        let survey = try DataSurvey(configuration, ranks: ranks)
        if ranks.rank == 0 {
          survey.report(configuration).forEach(RankedProcess.say)
          let seconds = ProcessInfo.processInfo.systemUptime - start
          RankedProcess.say(
            "\(survey.filesRead) images read in \(String(format: "%.1f s", seconds))\(survey.verdict)")
        }
        try ranks.together {
          guard survey.problems.isEmpty else {
            let count = survey.problems.count
            throw ConfigurationFailure(
              description:
                "\(options.config): \(count) \(count == 1 ? "problem" : "problems") in the data, listed above")
          }
        }
      }
    }
  }
}

/// The configuration of a command on data, and what changes it.
struct DataOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("The configuration, YAML; docs/config.md lists its keys.", valueName: "config"))
  var config: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Sets one key, such as --set data.root=PATH; may be repeated.", valueName: "key=value"))
  var overrides: [String] = []

  func load() throws -> Configuration {
    try Configuration.load(path: config, overrides: overrides)
  }
}
