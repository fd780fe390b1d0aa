import ArgumentParser
import Configuration
import Dataset
import Distributed
import Files
import Foundation
import Labeling
import Measurement
import Trainer

struct Review: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Finds labeled images whose masks are probably wrong, worst first.",
    discussion: """
      Searches the labeled list (another: --set data.labeled=LIST) for masks that the network contradicts with \
      confidence: areas of a wrong class, classes that are swapped, masks that are shifted against their image. \
      docs/labeling.md says how images are ranked. Pixels that training ignores are left out.

        DIR/review.csv           every image, worst first: what is wrong, where; review.json has the same
        DIR/overlays/NAME.png    of the first -n images: the network's class in its colour where the mask has another

      Under mpirun the images are shared out, and results are the same. An image that cannot be read is named and left \
      out; the exit code is then 3. For example:

        u2pl review --checkpoint runs/NAME/checkpoints/latest -o review
      """)

  @OptionGroup var options: NetworkOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("How many images to show.", valueName: "count"))
  var number = 20

  @Option(name: .shortAndLong, help: ArgumentHelp("Where tables and overlays go: a new folder.", valueName: "dir"))
  var output: String?

  func validate() throws {
    guard number >= 1 else { throw ValidationError("-n \(number): at least 1 image") }
  }

  func run() throws {
    try RankedProcess.run { ranks in
      try ranks.together { if ranks.rank == 0, let output { try OwnFolder.requireFree(output) } }
      let applied = try AppliedNetwork(options, ranks: ranks)
      let data = applied.configuration.data
      let set = try ranks.together {
        guard let set = try DataSource(data).open(.labeled) else {
          throw ConfigurationFailure(description: "data.labeled is not set; --set data.labeled=LIST")
        }
        try set.requireComplete()
        return set
      }
      try applied.requireSame((0..<set.count).map { set.line($0) }, ranks)
      let reviewer = LabelReviewer(applied.predictor, applied.configuration, admit: applied.admit)
      var bar = ranks.rank == 0 ? ProgressBar(total: 2 * set.count, label: "review") : nil
      let (review, failures) = try reviewer.review(set, ranks: ranks) { error in
        bar?.clear()
        RankedProcess.show("u2pl: error: \(error)", isError: true)
      } progress: {
        bar?.advance(to: $0 * ranks.size)
      }
      bar?.finish()
      try ranks.together {
        guard !review.findings.isEmpty else { throw ConfigurationFailure(description: "no labeled image can be read") }
      }
      if let output { try write(review, set, reviewer, applied, to: ReviewFiles(output), ranks) }
      if ranks.rank == 0 { show(review.findings, set, data) }
      guard failures == 0 else {
        throw IncompleteResult(
          description: "\(failures) of \(set.count) images could not be read, as said above; the others are reviewed")
      }
    }
  }

  /// Collective.
  private func write(
    _ review: LabelReview, _ set: any ImageSet, _ reviewer: LabelReviewer, _ applied: AppliedNetwork,
    to files: ReviewFiles, _ ranks: Communicator
  ) throws {
    let data = applied.configuration.data
    let first = review.findings.prefix(number).filter { $0.kind != .none }
    let names = OwnFolder.names(
      for: first.map { set.line($0.image) }, at: first.map { set.source($0.image).image })
    try ranks.together { if ranks.rank == 0 { try files.prepare(names) } }
    try ranks.together {
      for place in stride(from: ranks.rank, to: first.count, by: ranks.size) {
        try reviewer.overlay(set, first[place], colors: data.colors).write(to: files.overlay(names[place]))
      }
    }
    try ranks.together {
      guard ranks.rank == 0 else { return }
      var facts = JSONLine()
      facts.add("checkpoint", options.checkpoint)
      facts.add("network", applied.group)
      facts.add("images", review.findings.count)
      try files.writeTables(review.findings, set, names: names, facts, classNames: (0..<data.classes).map(data.name))
    }
  }

  private func show(_ findings: [LabelFinding], _ set: any ImageSet, _ data: Configuration.Data) {
    let shown = findings.prefix(number).filter { $0.kind != .none }
    let width = max(5, shown.map { set.line($0.image).count }.max() ?? 0)
    if !shown.isEmpty {
      let head = "image".padding(toLength: width, withPad: " ", startingAt: 0)
      RankedProcess.say("     score  \(head)  what is wrong")
    }
    for (place, one) in shown.enumerated() {
      RankedProcess.say(
        String(format: "%3d  %.3f  ", place + 1, one.score)
          + set.line(one.image).padding(toLength: width, withPad: " ", startingAt: 0) + "  \(one.words(data.name))")
    }
    let suspicious = findings.count { $0.kind != .none }
    RankedProcess.say(
      "\(suspicious) of \(findings.count) masks are contradicted in places"
        + (shown.count < suspicious ? ", of which the first \(shown.count) are shown" : "")
        + (output.map { "  \($0)" } ?? "; -o DIR writes the whole table, and pictures"))
    if findings.count >= 10, suspicious * 3 > findings.count {
      RankedProcess.say(
        "warning: more than a third of the masks are contradicted, which is too many for single errors: either the network is "
          + "too weak to judge masks (u2pl evaluate shows its mIoU), or masks and classes do not fit throughout (u2pl data "
          + "check, the confusion matrix of u2pl report)")
    }
  }
}
