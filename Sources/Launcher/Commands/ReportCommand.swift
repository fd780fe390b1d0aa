import ArgumentParser
import Files
import Foundation
import Report

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Makes an HTML report of one run, or of several in one file: curves, pictures, times, facts.",
    discussion: """
      The file holds all it shows and loads nothing; any browser opens it. train writes runs/NAME/report.html by \
      itself at each evaluation and at its end (report: off leaves it out). Runs may still be going on. Damaged lines \
      of metrics are left out and counted. Runs that differ only in their seeds form one arm, and every other arm is \
      compared with the first, seed by seed. docs/report.md says what is in the report. For example:

        u2pl report runs/mine-supervised runs/mine-u2pl -o both.html
      """)

  @Argument(help: ArgumentHelp("Directories of runs, such as runs/NAME.", valueName: "run"))
  var runs: [String]

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The file; of one run report.html in its directory.", valueName: "file"))
  var output: String?

  func run() throws {
    do {
      let output = try output ?? ownReport()
      try Self.requireReport(output)
      // A link stays one.
      let file = URL(fileURLWithPath: output).resolvingSymlinksInPath().path
      let readers = try runs.map(RunReader.open)
      try ReportPage.write(readers, to: file)
      print(output)
    } catch let error as ReportError {
      try Self.refuse(error.description)
    } catch let error as FileError {
      try Self.refuse(error.description)
    }
  }

  private func ownReport() throws -> String {
    guard runs.count == 1 else {
      throw ReportError(description: "a report of several runs needs a name: -o FILE.html")
    }
    return RunReader(runs[0]).directory.reportPath
  }

  /// Finds out before anything is read whether a file would be replaced that is no report.
  private static func requireReport(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    // A device or a pipe would be replaced, not written to.
    let isFile = status.st_mode & S_IFMT == S_IFREG
    let start = isFile ? (try? FileHandle(forReadingAtPath: path)?.read(upToCount: 15)) ?? Data() : Data()
    guard isFile, start.isEmpty || start == Data("<!DOCTYPE html>".utf8) else {
      throw ReportError(description: "\(path): is there already and is no report; choose another -o, or delete it")
    }
  }

  static func refuse(_ message: String) throws -> Never {
    RankedProcess.show("u2pl: error: \(message)", isError: true)
    throw ExitCode(2)
  }
}
