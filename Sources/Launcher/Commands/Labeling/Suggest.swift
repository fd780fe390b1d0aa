import ArgumentParser
import Checkpoint
import Configuration
import Dataset
import Distributed
import Files
import Foundation
import Labeling
import Measurement
import Trainer

struct Suggest: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says which unlabeled images to label next, and why, with masks to correct.",
    discussion: """
      Images are chosen one by one: for classes that the network segments badly, for being unlike all images labeled \
      or chosen before, and for unreliable pixels, those whose entropy is above γ_t. Near-duplicates are left out, and \
      so are images of the labeled and the validation list. IMAGES are files, folders, or lists (.txt); without any, \
      the unlabeled list of the checkpoint's configuration.

        DIR/suggested.txt      the images, a line each; u2pl data split --take reads it
        DIR/suggestions.csv    their scores and reasons; suggestions.json has the same
        DIR/masks/NAME.png     a mask to correct: unreliable pixels have the value that is ignored, such as 255
        DIR/overlays/NAME.png  the mask's colours over the image; unreliable pixels are striped

      Under mpirun the images are shared out, and results are the same. An image that cannot be read is named and left \
      out; the exit code is then 3. docs/labeling.md has the whole loop. For example:

        u2pl suggest --checkpoint runs/NAME/checkpoints/latest -n 10 -o next
      """)

  @OptionGroup var options: NetworkOptions

  @Argument(
    help: ArgumentHelp(
      "Images, folders of images, or lists of them; else the unlabeled list.", valueName: "images"))
  var images: [String] = []

  @Option(name: .shortAndLong, help: ArgumentHelp("How many images to suggest.", valueName: "count"))
  var number = 10

  @Option(name: .shortAndLong, help: ArgumentHelp("Where results go: a new folder.", valueName: "dir"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "The share of the candidates' pixels that counts as unreliable, from 0 to below 1. Without it, the pixels whose "
        + "entropy is above the run's last γ_t; if the run has had none, the share u2pl.alpha0.", valueName: "share"))
  var unreliable: Double?

  func validate() throws {
    guard number >= 1 else { throw ValidationError("-n \(number): at least 1 image") }
    if let unreliable, !(0..<1).contains(unreliable) {
      throw ValidationError("--unreliable \(unreliable): a share from 0 to below 1, such as 0.2")
    }
  }

  func run() throws {
    try RankedProcess.run { ranks in
      try ranks.together { if ranks.rank == 0 { try OwnFolder.requireFree(output) } }
      let applied = try AppliedNetwork(options, ranks: ranks)
      let data = applied.configuration.data
      let candidates = try openCandidates(applied, ranks)
      let (labeled, labeledFailures) = try labeledSummaries(applied, ranks)
      let survey = try applied.survey(candidates.images.count, "suggest", ranks) { index in
        let image = try applied.read(candidates.images[index])
        return ImageSummary(
          image, try applied.predictor.predict(image, representation: true), shown: data.shownRange)
      }
      try ranks.together {
        guard !survey.images.isEmpty else { throw ConfigurationFailure(description: "none of the images can be read") }
      }
      let state = try ranks.together { try CheckpointState(options.checkpoint, data) }
      let summaries = survey.images.map(\.summary)
      let level = level(summaries, applied.configuration, state)
      let selection = Selection(
        summaries, labeled: labeled, need: ClassNeed(state.matrix, summaries, classes: data.classes),
        gamma: level.gamma)
      let outcome = selection.choose(number)
      let chosen = outcome.choices.map { candidates.images[survey.images[$0.image].index] }
      let names = OwnFolder.names(for: chosen.map(\.line), at: chosen.map(\.path))
      let files = try ranks.together { try SuggestionFiles(output, gamma: level.gamma, data) }
      try writePictures(files, chosen, names, applied, ranks)
      let usual = summaries.reduce(0) { $0 + $1.share(above: level.gamma) } / Double(summaries.count)
      let suggestions = outcome.choices.enumerated().map { place, choice in
        Suggestion(
          line: chosen[place].line, path: chosen[place].path, name: names[place], choice: choice,
          reason: selection.reason(choice, usual: usual, name: data.name))
      }
      try ranks.together {
        guard ranks.rank == 0 else { return }
        var facts = JSONLine()
        facts.add("checkpoint", options.checkpoint)
        facts.add("network", applied.group)
        facts.add("step", state.step)
        facts.add("gamma", level.gamma)
        facts.add("gamma_source", level.source)
        facts.add("candidates", summaries.count)
        facts.add("labeled", labeled.count)
        facts.add("near_duplicates", outcome.duplicates.count)
        facts.add("unreadable", survey.failures)
        try files.writeTables(suggestions, facts, classNames: (0..<data.classes).map(data.name))
        show(suggestions, candidates, outcome, summaries.count, level)
        if usual < Self.littleDoubt, unreliable == nil {
          RankedProcess.say(
            String(format: "note: only %.1f %% of the pixels are undecided in the masks, because ", 100 * usual)
              + "γ is high; --unreliable 0.2 leaves more undecided")
        }
      }
      let failures = survey.failures + labeledFailures
      guard failures == 0 else {
        throw IncompleteResult(
          description: "\(failures) images could not be read, as said above; the suggestions are from the others")
      }
    }
  }

  /// The images to choose from, at least one, and the same on all ranks. Collective.
  private func openCandidates(_ applied: AppliedNetwork, _ ranks: Communicator) throws -> Candidates {
    let candidates = try ranks.together { try Candidates(images, applied.configuration.data, output: output) }
    try applied.requireSame(candidates.images.map(\.path), ranks)
    try ranks.together {
      guard !candidates.images.isEmpty else {
        throw ConfigurationFailure(
          description: "there is no image to choose from"
            + (candidates.notes.isEmpty ? "" : ": \(candidates.notes.joined(separator: ", "))"))
      }
    }
    return candidates
  }

  /// Writes the mask and the overlay of each chosen image; rank r those of images r, r + size, … Collective.
  private func writePictures(
    _ files: SuggestionFiles, _ chosen: [Candidates.Candidate], _ names: [String], _ applied: AppliedNetwork,
    _ ranks: Communicator
  ) throws {
    try ranks.together { if ranks.rank == 0 { try files.prepare(names) } }
    try ranks.together {
      for place in stride(from: ranks.rank, to: chosen.count, by: ranks.size) {
        // Flaws of the image have been told when it was surveyed.
        let (image, _) = try chosen[place].read()
        try applied.admit(image, chosen[place].path)
        try files.write(names[place], image, applied.predictor.predict(image, representation: false))
      }
    }
  }

  /// Masks with a lower share of undecided pixels hardly show where they need to be corrected.
  private static let littleDoubt = 0.02

  /// Summaries of the labeled images, which the suggestions are to add to, and how many could not be read; none if the
  /// list cannot be opened on every rank. Collective.
  private func labeledSummaries(_ applied: AppliedNetwork, _ ranks: Communicator) throws -> ([ImageSummary], Int) {
    var problem: String?
    var set: (any ImageSet)?
    do { set = try DataSource(applied.configuration.data).open(.labeled) } catch { problem = "\(error)" }
    // Unless all ranks open the same list, all do without it.
    let count = [Int64(set?.count ?? -1)]
    let isSame = try ranks.minimum(count) == ranks.maximum(count)
    guard isSame, let set else {
      if ranks.rank == 0 {
        RankedProcess.show(
          "note: the labeled images are not taken into account\(problem.map { ": \($0)" } ?? ""); --set data.root=PATH "
            + "says where the data set is", isError: true)
      }
      return ([], 0)
    }
    let survey = try applied.survey(set.count, "labeled", ranks) { index in
      let (image, labels) = try set.namingOrigin(of: index) { try set.labeledImage(index) }
      try applied.admit(image, set.source(index).image)
      return ImageSummary(
        image, try applied.predictor.predict(image, representation: true), labels: labels,
        shown: applied.configuration.data.shownRange)
    }
    return (survey.images.map(\.summary), survey.failures)
  }

  private func level(
    _ images: [ImageSummary], _ configuration: Configuration, _ state: CheckpointState
  ) -> ReliabilityLevel {
    if let unreliable { return .percentile(unreliable, of: images) }
    return ReliabilityLevel.ofRun(checkpoint: RunDirectory.resolved(options.checkpoint), step: state.step)
      ?? .percentile(configuration.u2pl.alpha0, of: images)
  }

  private func show(
    _ suggestions: [Suggestion], _ candidates: Candidates, _ outcome: Selection.Outcome, _ count: Int,
    _ level: ReliabilityLevel
  ) {
    let width = max(5, suggestions.map(\.line.count).max() ?? 0)
    RankedProcess.say("    score  " + "image".padding(toLength: width, withPad: " ", startingAt: 0) + "  why")
    for (place, one) in suggestions.enumerated() {
      RankedProcess.say(
        String(format: "%3d  %.2f  ", place + 1, one.choice.score)
          + one.line.padding(toLength: width, withPad: " ", startingAt: 0) + "  \(one.reason)")
    }
    for note in candidates.notes { RankedProcess.say("note: \(note)") }
    if !outcome.duplicates.isEmpty {
      RankedProcess.say(
        "note: \(outcome.duplicates.count) near-duplicates of labeled or suggested images are left out")
    }
    if suggestions.count < number {
      RankedProcess.say(
        "note: -n \(number) is more than there are: \(suggestions.count) of \(count) images are suggested")
    }
    let gamma = String(format: "γ %.4f", level.gamma)
    RankedProcess.say("\(suggestions.count) of \(count) images, \(gamma) (\(level.source))  \(output)")
  }
}
