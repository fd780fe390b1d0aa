import ArgumentParser
import Checkpoint
import Configuration
import Foundation

struct WeightsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "weights", abstract: "Weights from and for other programs.",
    discussion: "docs/weights.md tells about names, stems, and how a .pth file becomes safetensors.",
    subcommands: [Import.self, Export.self, Show.self])

  /// Runs a command on files that may be bad: then one message, and exit code 2.
  static func run(_ body: () throws -> Void) throws {
    do { try body() } catch let error where error is CheckpointError || error is ConfigurationError {
      RankedProcess.show("u2pl: error: \(error)", isError: true)
      throw ExitCode(2)
    }
  }

  /// Bytes in megabytes, for people.
  static func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
}
