import Configuration
import Foundation
import Method

/// The differences between a checkpoint's configuration and the one that the run is to go on with: what each changes,
/// and whether it may.
struct ResumeChanges {
  /// Where the run is, and what its lists hold.
  struct Point {
    /// Steps done.
    var step: Int
    /// Those with pseudo-labels among them.
    var semiSupervisedSteps: Int
    /// The step at which the run itself has started pseudo-labels; nil where it has not.
    var decidedStart: Int?
    /// When the checkpoint was written; empty in a checkpoint of an older version.
    var listsThen = ListDigests()
    var listsNow = ListDigests()
  }

  struct Change: Equatable {
    let key: String
    /// Such as `schedule.epochs 4 → 8: the learning rate goes from 0.00135 to 0.0107`.
    let text: String
    /// Whether the rest of the run would be no continuation of what was computed.
    let isRefused: Bool
  }

  private(set) var changes: [Change] = []
  let totalSteps: Int

  private let old: Configuration
  private let new: Configuration
  private let point: Point
  private let before: Schedule
  private let after: Schedule

  init(from old: Configuration, to new: Configuration, at point: Point) {
    (self.old, self.new, self.point) = (old, new, point)
    func schedule(_ configuration: Configuration, _ lists: ListDigests) -> Schedule {
      func count(_ key: String) -> Int { (lists.lists[key] ?? point.listsNow.lists[key])?.count ?? 0 }
      var schedule = Schedule(
        configuration, labeledCount: count("data.labeled"), unlabeledCount: count("data.unlabeled"))
      if configuration.schedule.supervisedEpochs == nil, configuration.u2pl.enabled, let start = point.decidedStart {
        schedule.firstSemiSupervisedStep = start
      }
      return schedule
    }
    before = schedule(old, point.listsThen)
    after = schedule(new, point.listsNow)
    totalSteps = after.totalSteps
    let then = Dictionary(uniqueKeysWithValues: old.settings.map { ($0.key, $0.value) })
    let now = Dictionary(uniqueKeysWithValues: new.settings.map { ($0.key, $0.value) })
    let keys = new.settings.map(\.key) + old.settings.map(\.key).filter { now[$0] == nil }
    for key in keys {
      if then[key] != now[key] {
        add(key, from: then[key] ?? "(not a key of its kind)", to: now[key] ?? "(not a key of its kind)")
      } else if let list = point.listsThen.lists[key], let other = point.listsNow.lists[key], list != other {
        addList(key, list, other)
      }
    }
    if before.stepsPerEpoch != after.stepsPerEpoch, old.schedule.stepsPerEpoch == nil,
      new.schedule.stepsPerEpoch == nil
    {
      append(
        "schedule.steps_per_epoch", "\(before.stepsPerEpoch)", "\(after.stepsPerEpoch), by the lists", scheduleEffect,
        isRefused: undoesSwitch)
    }
  }

  // MARK: What is said

  /// Those that `overrides`, arguments `KEY=VALUE`, do not name, though they have to be.
  func refused(unless overrides: [String]) -> [Change] {
    let named = overrides.map { $0.prefix { $0 != "=" } }
    return changes.filter { change in
      change.isRefused
        && !named.contains {
          $0 == change.key || change.key.hasPrefix($0 + ".") || $0.hasPrefix(change.key + ".")
        }
    }
  }

  /// Why the run cannot go on to its end, whatever is allowed: more steps are done than it has.
  var shortfall: String? {
    guard point.step > totalSteps else { return nil }
    let least = (point.step + after.stepsPerEpoch - 1) / after.stepsPerEpoch
    return
      "\(point.step) steps are done, and schedule.epochs \(after.epochs) of \(after.stepsPerEpoch) steps end at step "
      + "\(totalSteps); set schedule.epochs to \(least) or more, or resume from a checkpoint of an earlier step"
  }

  // MARK: Keys

  /// Keys without any effect on what a resumed run computes.
  private static let withoutEffect: Set<String> = [
    "run.directory", "model.weights", "model.strict", "compute.threads", "report", "logs.tensorboard",
    "logs.openmetrics",
  ]

  /// Keys whose change makes another run of it.
  private static let fixed: [String: String] = [
    "run.seed": "order, augmentation and every other draw would be those of another run",
    "data.kind": "the images would be others",
    "data.size": "the images would be others",
    "data.seed": "the images would be others",
    "data.label_map": "the labels would mean other classes than those the network has learned",
    "data.shuffle": "the images would come in another order",
    "data.group": "other images would be held out together",
    "data.channels": "the network has learned from images of other channels",
    "data.range": "the network would see images of another range than those it has learned from",
    "data.normalize": "the network would see images of another range than those it has learned from",
    "data.mean": "the network would see images of another range than those it has learned from",
    "data.std": "the network would see images of another range than those it has learned from",
    "batch.labeled":
      "the list would be gone through from another place, and steps would count for other numbers of images",
    "batch.unlabeled":
      "the list would be gone through from another place, and steps would count for other numbers of images",
  ]

  /// Keys on which the learning rate depends.
  private static let ofRate: Set<String> = [
    "optimizer.learning_rate", "optimizer.schedule", "optimizer.power", "optimizer.warmup_steps",
  ]

  /// Keys on which the number of the first step with pseudo-labels depends.
  private static let ofSchedule: Set<String> = [
    "schedule.epochs", "schedule.steps_per_epoch", "schedule.supervised_epochs", "u2pl.enabled",
  ]

  private mutating func add(_ key: String, from: String, to: String) {
    if Self.withoutEffect.contains(key) { return }
    if let list = point.listsNow.lists[key] {
      // Another place of the same list is no change; an older checkpoint does not say what it held.
      guard let known = point.listsThen.lists[key] else {
        return append(
          key, from, to, key == "data.validation" ? Self.otherValidation : "it may hold other images",
          isRefused: key != "data.validation")
      }
      return known == list ? () : addList(key, known, list, from, to)
    }
    if let why = Self.fixed[key] { return append(key, from, to, why, isRefused: true) }
    switch key {
    case _ where Self.ofSchedule.contains(key): append(key, from, to, scheduleEffect, isRefused: undoesSwitch)
    case _ where Self.ofRate.contains(key): append(key, from, to, rateEffect)
    case "teacher.start" where new.teacher.start == .beginning && point.semiSupervisedSteps == 0 && point.step > 0:
      append(key, from, to, "the teacher has not followed the student for \(point.step) steps", isRefused: true)
    case "data.root": append(key, from, to, "images and masks are read from there")
    case "data.validation": append(key, from, to, Self.otherValidation)
    case "data.palette": append(key, from, to, "for pictures of predictions alone")
    case "reduction": append(key, from, to, "sums over ranks are formed in another way, so bits differ from here on")
    case "checkpoint.keep": append(key, from, to, "older checkpoints are removed when the next one is written")
    case _ where key.hasPrefix("evaluate."):
      append(key, from, to, "for evaluations from here on, which do not compare with those before")
    case _ where ["checkpoint.", "integrity.", "watchdog."].contains { key.hasPrefix($0) }:
      append(key, from, to, "from here on; results stay the same")
    default: append(key, from, to, "from step \(point.step) on")
    }
  }

  private static let otherValidation =
    "evaluations do not compare with those before, and the best so far is of the old list"

  private mutating func addList(
    _ key: String, _ then: ListDigest, _ now: ListDigest, _ from: String? = nil, _ to: String? = nil
  ) {
    let counts = then.count == now.count ? "\(now.count) entries, other ones" : "\(then.count) → \(now.count) entries"
    let effect = key == "data.validation" ? Self.otherValidation : "the images would come in another order"
    let place = from.map { " \($0) → \(to!)" } ?? ""
    changes.append(
      Change(key: key, text: "\(key)\(place) (\(counts)): \(effect)", isRefused: key != "data.validation"))
  }

  private mutating func append(_ key: String, _ from: String, _ to: String, _ effect: String, isRefused: Bool = false) {
    changes.append(Change(key: key, text: "\(key) \(from) → \(to): \(effect)", isRefused: isRefused))
  }

  // MARK: Effects

  /// Whether steps to come would be supervised only, though pseudo-labels have been used: the teacher would follow a
  /// student that it no longer teaches, and later go on from there.
  private var undoesSwitch: Bool {
    point.semiSupervisedSteps > 0 && after.firstSemiSupervisedStep > point.step && point.step < totalSteps
  }

  private var scheduleEffect: String {
    var parts = [rateEffect]
    if point.semiSupervisedSteps > 0, let alphas { parts.append(alphas) }
    if undoesSwitch {
      parts.append(
        "pseudo-labels have been used for \(point.semiSupervisedSteps) steps and would stop until "
          + (new.u2pl.enabled ? "step \(after.firstSemiSupervisedStep)" : "the end") + ", while the teacher goes stale")
    } else if before.firstSemiSupervisedStep != after.firstSemiSupervisedStep, point.semiSupervisedSteps == 0 {
      let start = max(point.step, after.firstSemiSupervisedStep)
      parts.append(
        start >= totalSteps
          ? "there are no steps with pseudo-labels" : "pseudo-labels begin at step \(start)")
    }
    return parts.joined(separator: ", ")
  }

  private var rateEffect: String {
    let rates = (
      LearningRate(old.optimizer, totalSteps: before.totalSteps)(step: min(max(0, point.step - 1), before.totalSteps)),
      LearningRate(new.optimizer, totalSteps: after.totalSteps)(step: min(point.step, after.totalSteps))
    )
    return "the learning rate goes from \(Self.short(rates.0)) to \(Self.short(rates.1))"
  }

  /// How α changes.
  private var alphas: String? {
    func alpha(_ configuration: Configuration, _ schedule: Schedule, _ step: Int) -> String {
      Self.short(configuration.u2pl.alpha(epoch: schedule.epoch(ofStep: step), of: schedule.epochs))
    }
    let values = (alpha(old, before, max(0, point.step - 1)), alpha(new, after, point.step))
    return values.0 == values.1 ? nil : "α from \(values.0) to \(values.1)"
  }

  private static func short(_ value: Double) -> String { String(format: "%.3g", value) }
}
