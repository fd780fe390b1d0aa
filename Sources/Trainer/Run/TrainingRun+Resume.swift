import Checkpoint
import Configuration
import Files
import HDF5
import Method

// Going on from a checkpoint: its state, what differs from when it was written, and the files beside it.

extension TrainingRun {
  /// Takes over the state of a checkpoint. Collective.
  func restore(_ point: ResumePoint, _ resume: Resume) throws {
    for (_, line) in point.skipped {
      say(line)
      log.warn(line)
    }
    let contents = point.take()
    try trainer.restore(contents, path: point.path)
    try tellChanges(contents, point.path, allowed: resume.changing)
    try evidence?.restore(contents)
    resumedFrom = point.path
    try restoreEvaluation(contents)
    var setAside: [String] = []
    try ranks.together {
      if ranks.rank == 0, case .path = resume.source { setAside = try directory.setAside(after: trainer.step) }
    }
    if ranks.rank == 0, resume.source == .latest { mend(skipped: point.skipped.map(\.path)) }
    for name in setAside { say("\(name) is of a later step: renamed to \(name).superseded") }
    say("resuming from \(point.path) at step \(trainer.step)")
    log.info("resumed from \(point.path) at step \(trainer.step)")
    events?.tell(.resumed(step: trainer.step, checkpoint: point.path))
  }

  /// Says what differs from the configuration, the lists, the threads and the libraries of the checkpoint. Collective.
  ///
  /// - Parameter allowed: arguments `KEY=VALUE` whose keys may change although the rest of the run is no continuation
  /// then.
  private func tellChanges(_ contents: CheckpointContents?, _ path: String, allowed: [String]) throws {
    var lines: [String] = []
    try ranks.together {
      guard let contents, case .string(let yaml)? = contents.attributes["config"] else { return }
      let old = try Configuration(yaml: yaml, source: "\(path), attribute config", overrides: [])
      let changes = ResumeChanges(
        from: old, to: configuration,
        at: .init(
          step: trainer.step, semiSupervisedSteps: trainer.semiSupervisedSteps, decidedStart: contents.decidedStart,
          listsThen: contents.lists, listsNow: lists))
      if let shortfall = changes.shortfall { throw CheckpointError(description: "\(path): \(shortfall)") }
      let refused = changes.refused(unless: allowed)
      guard refused.isEmpty else {
        throw CheckpointError(
          description: "\(path) is of a run with another configuration, and these keys cannot change within a run:\n"
            + refused.map { "  \($0.text)\n" }.joined()
            + "set them back (u2pl inspect --config shows what they were), begin another run with these weights "
            + "(--set model.weights=\(path) and another --run), or, where it is meant, give each by --set with "
            + "--resume-changed")
      }
      lines = changes.changes.map(\.text)
      if let then = NumericFacts(contents) { lines += numericFacts.changes(since: then) }
    }
    guard !lines.isEmpty else { return }
    for line in ["changed since the checkpoint:"] + lines.map({ "  " + $0 }) { say(line) }
    for line in lines { log.warn("changed since the checkpoint: \(line)") }
  }

  /// On rank 0: links that a kill has left behind, and checkpoints that were passed over. What cannot be done ends no
  /// run, as on a full disk: the next checkpoint makes links again.
  private func mend(skipped: [String]) {
    do {
      try directory.relink(step: trainer.step, best: bestStep, skipped: skipped)
      for path in skipped {
        try directory.setAside(skipped: path)
        let line =
          "\(path) renamed to \(path).skipped: it is ignored from now on; remove it when it is of no use"
        say(line)
        log.info(line)
      }
    } catch {
      say("warning: \(error)")
      log.warn("\(error)")
    }
  }
}

extension CheckpointContents {
  /// The step at which the run has started pseudo-labels by itself.
  fileprivate var decidedStart: Int? {
    guard case .int(let step)? = attributes["evidence_start_step"], step >= 0 else { return nil }
    return Int(step)
  }

  /// What the lists held; empty in a checkpoint of an older version.
  fileprivate var lists: ListDigests {
    ListDigests(
      lists: ListDigests.attributes.compactMapValues { name in
        if case .string(let text)? = attributes[name] { ListDigest(text) } else { nil }
      })
  }
}
