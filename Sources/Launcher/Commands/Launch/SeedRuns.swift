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

/// A run for each of several seeds, one after the other or side by side. Together they can be interrupted and resumed like one.
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

  /// Makes the runs that are missing one after the other, up to the first that does not come to its end.
  ///
  /// - Parameters:
  ///   - say: shows a line.
  ///   - launch: supervises the run with these arguments to its end, and returns its exit code.
  /// - Returns: the exit code of the last run.
  func inTurn(say: (String) -> Void, launch: ([String]) throws -> Int32) rethrows -> Int32 {
    var codes = [Int32?](repeating: nil, count: seeds.count)
    for (number, seed) in seeds.enumerated() {
      say("launch: seed \(seed), \(number + 1) of \(seeds.count): \(directory(seed))")
      codes[number] = try launch(arguments(seed))
      if codes[number] != 0 || Supervisor.isAskedToStop { break }
    }
    return finish(codes, say)
  }

  /// Makes the runs that are missing, several at the same time, each by a launch of its own.
  ///
  /// - Parameters:
  ///   - most: how many at the same time.
  ///   - line: `u2pl launch` and its options, up to `--`.
  ///   - say: shows a line.
  /// - Returns: the exit code of the first run that did not come to its end.
  func sideBySide(_ most: Int, line: [String], environment: [String: String], say: (String) -> Void) throws -> Int32 {
    for seed in seeds { say("launch: seed \(seed): \(directory(seed))") }
    let programs = seeds.map {
      SideBySide.Program(name: "seed \($0)", line: line + ["--"] + arguments($0))
    }
    return finish(try SideBySide(programs, most: most, environment: environment).run(), say)
  }

  /// Says how the runs have ended; nil for a run that was not started.
  private func finish(_ codes: [Int32?], _ say: (String) -> Void) -> Int32 {
    let failed = zip(seeds, codes).filter { $0.1 != nil && $0.1 != 0 }
    let left = codes.filter { $0 == nil }.count
    if !failed.isEmpty || left > 0 {
      var parts = failed.map { "seed \($0.0) has ended with exit code \($0.1!)" }
      if left > 0 { parts.append("\(left) more \(left == 1 ? "is" : "are") left") }
      say(
        "launch: " + parts.joined(separator: ", ")
          + ": the same command with --resume latest at its end goes on with all")
      return failed.first?.1 ?? 75
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
