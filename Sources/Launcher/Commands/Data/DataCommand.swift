import ArgumentParser

/// `u2pl data`; each of its commands has a file of its own.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Checks, packs and splits data sets; imports annotations; draws generated images.",
    subcommands: [Check.self, Pack.self, Split.self, Import.self, Shapes.self])
}
