import Foundation

/// Two arms of an experiment, compared run by run: the difference of what runs with equal seeds have reached.
public struct Comparison: Sendable {
  /// One number of each run, such as the mean IoU of the last evaluation.
  public struct Row: Sendable {
    public let name: String
    /// Over the runs of each arm that have it.
    public let first: Spread
    public let second: Spread
    /// Second minus first, over the seeds that both have; nil where there is none.
    public let difference: Spread?
  }

  public struct Spread: Sendable, Equatable {
    public let count: Int
    public let mean: Double
    /// The sample's standard deviation; nil of one number.
    public let deviation: Double?
    /// Half of the two-sided 95 % interval of the mean by Student's t; nil of one number.
    public let halfWidth: Double?

    init?(_ values: [Double]) {
      guard !values.isEmpty else { return nil }
      count = values.count
      let mean = values.reduce(0, +) / Double(values.count)
      self.mean = mean
      guard values.count > 1 else {
        (deviation, halfWidth) = (nil, nil)
        return
      }
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let deviation = (squares / Double(values.count - 1)).squareRoot()
      self.deviation = deviation
      halfWidth =
        StudentT.quantile(twoSided: 0.95, freedom: values.count - 1) * deviation / Double(values.count).squareRoot()
    }
  }

  public let first: [String]
  public let second: [String]
  /// Seeds that both arms have, in the order of the first.
  public let seeds: [String]
  public let rows: [Row]
  /// What a reader has to know of the comparison.
  public let notes: [String]

  /// - Throws: ``ReportError`` where an arm has a seed twice, or the arms have no seed in common.
  public init(_ first: [RunReader], _ second: [RunReader]) throws {
    let a = try Self.bySeed(first), b = try Self.bySeed(second)
    seeds = first.map(\.seed).filter { b[$0] != nil }
    guard !seeds.isEmpty else {
      throw ReportError(
        description: "the runs have no seed in common: \(Self.seeds(of: first)) and \(Self.seeds(of: second)); "
          + "give runs of the same seeds (u2pl launch --seeds)")
    }
    (self.first, self.second) = (first.map(\.directory.path), second.map(\.directory.path))
    let names = first[0].classNames
    let seeds = self.seeds
    rows = Self.scores(names).compactMap { score in
      guard let one = Spread(first.compactMap(score.value)), let other = Spread(second.compactMap(score.value)) else {
        return nil
      }
      let differences = seeds.compactMap { seed -> Double? in
        guard let one = score.value(a[seed]!), let other = score.value(b[seed]!) else { return nil }
        return other - one
      }
      return Row(name: score.name, first: one, second: other, difference: Spread(differences))
    }
    notes = Self.notes(first, second, names, pairs: seeds.count)
  }

  private static func seeds(of runs: [RunReader]) -> String {
    runs.map { $0.seed.isEmpty ? "unknown (\($0.directory.path))" : $0.seed }.joined(separator: ", ")
  }

  private static func bySeed(_ runs: [RunReader]) throws -> [String: RunReader] {
    var found: [String: RunReader] = [:]
    for run in runs {
      if let other = found[run.seed] {
        let seed = run.seed.isEmpty ? "unknown" : run.seed
        throw ReportError(
          description: "\(other.directory.path) and \(run.directory.path) have the same seed, \(seed), "
            + "and are on the same side; runs are paired by their seeds, so give each once")
      }
      found[run.seed] = run
    }
    return found
  }

  // MARK: Scores

  private struct Score {
    let name: String
    let value: (RunReader) -> Double?
  }

  private static func scores(_ classNames: [String]) -> [Score] {
    func last(_ name: String, _ key: String) -> Score {
      Score(name: name) { $0.metrics.last?.scores[key].map { 100 * $0 } }
    }
    return [
      last("mIoU, last", "mean_iou"),
      Score(name: "mIoU, best") { $0.metrics.best?.scores["mean_iou"].map { 100 * $0 } },
      last("pixel accuracy", "pixel_accuracy"), last("mean accuracy", "mean_accuracy"), last("mean Dice", "mean_dice"),
    ]
      + classNames.enumerated().map { c, name in
        Score(name: "IoU \(name)") { run in
          guard let iou = run.metrics.last?.iou, c < iou.count else { return nil }
          return iou[c].map { 100 * $0 }
        }
      }
  }

  // MARK: Notes

  private static func notes(
    _ first: [RunReader], _ second: [RunReader], _ names: [String], pairs: Int
  ) -> [String] {
    var notes: [String] = []
    if pairs == 1 { notes.append("one seed says little, and has no interval: run more with u2pl launch --seeds") }
    for (letter, runs) in [("A", first), ("B", second)] {
      let unpaired = runs.filter { run in !(letter == "A" ? second : first).contains { $0.seed == run.seed } }
      if !unpaired.isEmpty {
        notes.append("\(letter) alone has seed \(seeds(of: unpaired)), which takes no part in the differences")
      }
      if Set(runs.map(\.arm)).count > 1 {
        notes.append("the runs of \(letter) differ in more than their seeds (u2pl report shows in what)")
      }
    }
    let all = first + second
    let without = all.filter { $0.metrics.last == nil }
    if !without.isEmpty {
      notes.append("no evaluation yet: \(without.map(\.directory.path).joined(separator: ", "))")
    }
    let steps = Set(all.compactMap { $0.metrics.last?.step })
    if steps.count > 1 {
      let counts = steps.sorted().map { "\($0 + 1)" }.joined(separator: ", ")
      notes.append("the last evaluations are after \(counts) steps, not after as many")
    }
    let networks = Set(all.compactMap { $0.metrics.last?.network })
    if networks.count > 1 { notes.append("some evaluations are of the student, others of the teacher") }
    let images = Set(all.compactMap { $0.metrics.last?.images })
    if images.count > 1 { notes.append("the runs are evaluated on lists of different lengths") }
    if all.contains(where: { $0.classNames != names }) { notes.append("the runs have different classes") }
    return notes
  }
}

extension Comparison {
  /// The comparison as a table for a terminal, in points of a hundred.
  public var lines: [String] {
    func list(_ letter: String, _ paths: [String]) -> String {
      "\(letter)  \(paths.count) \(paths.count == 1 ? "run" : "runs"): \(paths.joined(separator: " "))"
    }
    var lines = [list("A", first), list("B", second), "seeds of both: \(seeds.joined(separator: ", "))", ""]
    let width = max(16, rows.map(\.name.count).max() ?? 0)
    func row(_ cells: [String]) -> String {
      cells[0].padding(toLength: max(width, cells[0].count), withPad: " ", startingAt: 0)
        + zip(cells.dropFirst(), [16, 16, 10, 20]).map { cell, width in
          String(repeating: " ", count: max(2, width - cell.count)) + cell
        }.joined()
    }
    lines.append(row(["in %", "A (deviation)", "B (deviation)", "B − A", "95 % interval"]))
    for entry in rows {
      lines.append(
        row([
          entry.name, Self.text(entry.first), Self.text(entry.second),
          entry.difference.map { String(format: "%+.2f", $0.mean) } ?? "",
          entry.difference.map(Self.interval) ?? "",
        ]))
    }
    lines += notes.isEmpty ? [] : [""] + notes.map { "note: \($0)" }
    return lines
  }

  static func text(_ spread: Spread) -> String {
    String(format: "%.2f", spread.mean) + (spread.deviation.map { String(format: " (%.2f)", $0) } ?? "")
  }

  static func interval(_ spread: Spread) -> String {
    guard let half = spread.halfWidth else { return "one seed" }
    return String(format: "%+.2f to %+.2f", spread.mean - half, spread.mean + half)
  }
}
