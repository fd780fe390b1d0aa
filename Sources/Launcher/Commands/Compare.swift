import ArgumentParser
import Files
import Report

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares the results of two arms of runs, seed by seed.",
    usage: "u2pl compare <a> … -- <b> …",
    discussion: """
      Shows for each number the means of both arms, the mean difference B − A of runs with equal seeds, and its 95 % \
      interval by Student's t. An interval that holds 0 shows no difference. u2pl launch --seeds makes such runs. For \
      example:

        u2pl compare runs/sup-seed-0 runs/sup-seed-1 -- runs/u2pl-seed-0 runs/u2pl-seed-1
      """)

  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("Directories of the runs of arm A, --, and those of arm B.", valueName: "runs"))
  var runs: [String]

  private var arms: [[String]] { runs.split(separator: "--", omittingEmptySubsequences: false).map(Array.init) }

  func validate() throws {
    // All words are taken as they stand, this one too.
    if runs.contains(where: { ["-h", "--help"].contains($0) }) { throw CleanExit.helpRequest(Compare.self) }
    guard arms.count == 2, arms.allSatisfy({ !$0.isEmpty }) else {
      throw ValidationError("compare takes two arms: u2pl compare runs/a-0 runs/a-1 -- runs/b-0 runs/b-1")
    }
  }

  func run() throws {
    do {
      let comparison = try Comparison(arms[0].map(RunReader.open), arms[1].map(RunReader.open))
      for line in comparison.lines { print(line) }
    } catch let error as ReportError {
      try ReportCommand.refuse(error.description)
    } catch let error as FileError {
      try ReportCommand.refuse(error.description)
    }
  }
}
