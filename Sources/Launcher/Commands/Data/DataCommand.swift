import ArgumentParser

/// `u2pl data`; each of its commands has a file of its own.
struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Data sets: looks them over, packs and splits them, imports annotations, makes one up.",
    subcommands: [Check.self, Pack.self, Split.self, Import.self, Shapes.self])
}
