import ArgumentParser

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures.",
    subcommands: [Step.self, Layers.self, Data.self, Collectives.self, Link.self, Checkpoint.self])
}
