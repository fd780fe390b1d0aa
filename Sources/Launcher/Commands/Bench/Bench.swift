import ArgumentParser

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures speed: training steps, layers, data loading, collectives, links, checkpoints.",
    subcommands: [Step.self, Layers.self, Data.self, Collectives.self, Link.self, Checkpoint.self])
}
