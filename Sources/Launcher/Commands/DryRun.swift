import Configuration
import Dataset
import Distributed
import Foundation
import Measurement
import Method
import Trainer

/// `u2pl train --dry-run`: everything a run needs is looked over, and what it will take estimated; nothing is written.
struct DryRun {
  let configuration: Configuration
  let ranks: Communicator

  /// Collective.
  ///
  /// - Throws: ``CollectiveFailure`` on every rank where a file is wrong or memory will not suffice.
  func run() throws {
    try ranks.together { try configuration.requireWeights() }
    say(configuration.yaml().trimmingCharacters(in: .newlines))
    say("")
    let sets = try ranks.together { try DataSets(configuration) }
    let review = try sets.check(configuration, ranks: ranks)
    review.notes.forEach { say("note: \($0)") }
    let schedule = Schedule(
      configuration, labeledCount: sets.labeled.count, unlabeledCount: sets.unlabeled?.count ?? 0)
    say(
      "data      \(sets.labeled.count) labeled, \(sets.unlabeled?.count ?? 0) unlabeled, "
        + "\(sets.validation?.count ?? 0) validation images, all there")
    for warning in configuration.warnings(review, sets) { say("warning: \(warning)") }
    let size = configuration.augment.crop.map { ($0.height, $0.width) } ?? review.first
    say("          calibrating: some steps on small images; a large network takes minutes …")
    let estimate = try RunEstimate(configuration, height: size.0, width: size.1, ranks: ranks)
    show(estimate, schedule)
    try ranks.together { try estimate.requireMemory(on: MPIEnvironment.host) }
    // A network is made for it, for which there is room now.
    try checkWeights(schedule)
    say("ready     start it without --dry-run")
  }

  /// Reads `model.weights` into the network, so that what does not fit is not found by the run.
  private func checkWeights(_ schedule: Schedule) throws {
    guard let weights = configuration.model.weights else { return }
    var configuration = configuration
    // Nothing enters the memory bank here.
    configuration.u2pl.capacity = configuration.u2pl.capacity.map { _ in 1 }
    let trainer = try U2PLTrainer(configuration, schedule: schedule, ranks: ranks)
    try trainer.load(weights: weights) { say("warning: \($0)") }
    say("weights   \(weights): read")
  }

  private func show(_ estimate: RunEstimate, _ schedule: Schedule) {
    let model = configuration.model
    say(
      String(
        format: "model     %@, %.1f million parameters; a checkpoint is about %@", model.encoder.rawValue,
        Double(estimate.parameters) * 1e-6, gibibytes(estimate.checkpointBytes)))
    say(
      "memory    a rank: network \(gibibytes(estimate.networkBytes)), maps of \(estimate.width)×\(estimate.height) images "
        + "\(gibibytes(estimate.activationBytes)), bank \(gibibytes(estimate.bankBytes)); rank 0 also a checkpoint's copy"
    )
    say(
      "          the \(estimate.ranksOnNode) ranks of \(MPIEnvironment.host) together \(gibibytes(estimate.nodeBytes)) of "
        + "\(gibibytes(estimate.availableBytes)) available"
        + (estimate.memoryGroup.map { ", the limit of the control group \($0)" } ?? ""))
    let first = schedule.firstSemiSupervisedStep
    let total =
      Double(first) * estimate.supervisedStep + Double(schedule.totalSteps - first) * estimate.semiSupervisedStep
    let sides = estimate.timedSides.map { "\($0)²" }.joined(separator: " and ")
    say(
      String(
        format: "time      %.2f s a supervised step, %.2f s a semi-supervised step (from steps on %@ images)",
        estimate.supervisedStep, estimate.semiSupervisedStep, sides))
    say("          \(schedule.epochs) epochs of \(schedule.stepsPerEpoch) steps: about \(duration(total))")
  }

  private func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<120: return String(format: "%.0f s", seconds)
    case ..<7200: return String(format: "%.0f min", seconds / 60)
    case ..<172_800: return String(format: "%.1f h", seconds / 3600)
    default: return String(format: "%.1f days", seconds / 86400)
    }
  }

  private func gibibytes(_ bytes: Int) -> String { String(format: "%.2f GiB", Double(bytes) / 0x1p30) }

  private func say(_ line: String) { if ranks.rank == 0 { RankedProcess.say(line) } }
}
