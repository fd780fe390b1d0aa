import ArgumentParser
import Supervisor

/// Seeds on the command line: `0,1,2`, `0-4`.
struct SeedList: ExpressibleByArgument {
  let seeds: [UInt64]
  private static let most = 1000

  init?(argument: String) {
    var seeds: [UInt64] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt64($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last,
        last - first < UInt64(Self.most)
      else { return nil }
      for seed in first...last where !seeds.contains(seed) { seeds.append(seed) }
    }
    guard seeds.count <= Self.most else { return nil }
    self.seeds = seeds
  }
}

/// A run for each of several seeds, one after the other. Together they can be interrupted and resumed like one.
struct SeedRuns {
  let seeds: [UInt64]
  /// The directory of a run, up to its seed.
  let base: String
  /// The command line from `train` on, as given.
  let arguments: [String]
  /// Whether lines are shown and nothing is started.
  let isDryRun: Bool

  func directory(_ seed: UInt64) -> String { "\(base)-seed-\(seed)" }

  /// The arguments for one seed: of an option given twice, the last counts.
  func arguments(_ seed: UInt64) -> [String] { arguments + ["--run", directory(seed), "--set", "run.seed=\(seed)"] }

  /// Makes the runs that are missing, up to the first that does not come to its end.
  ///
  /// - Parameters:
  ///   - say: shows a line.
  ///   - launch: supervises the run with these arguments to its end, and returns its exit code.
  /// - Returns: the exit code of the last run.
  func run(say: (String) -> Void, launch: ([String]) throws -> Int32) rethrows -> Int32 {
    for (number, seed) in seeds.enumerated() {
      say("launch: seed \(seed), \(number + 1) of \(seeds.count): \(directory(seed))")
      let code = try launch(arguments(seed))
      let isLast = number + 1 == seeds.count
      guard code == 0, isLast || !Supervisor.isAskedToStop else {
        let left = seeds.count - number - 1
        say(
          "launch: seed \(seed) \(code == 0 ? "is finished" : "has ended with exit code \(code)"), "
            + "\(left) more \(left == 1 ? "is" : "are") left: the same command with --resume latest at its end goes on "
            + "with all")
        return code == 0 ? 75 : code
      }
    }
    if !isDryRun {
      let runs = seeds.map(directory).joined(separator: " ")
      say(
        "launch: all \(seeds.count) seeds are finished; u2pl report \(runs) -o \(base)-seeds.html shows them together"
      )
    }
    return 0
  }
}
