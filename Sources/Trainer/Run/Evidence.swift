/// How far pseudo-labels are to be trusted, by what the teacher knows of labeled images that were not trained on
/// lately.
///
/// At the end of each window of steps the teacher is measured on the fold that the window held out. The measures of the
/// last F windows together cover every labeled image once: q is their mIoU, d their mean Dice. Pseudo-labels start when
/// q has grown by less than 2 % over F windows and the learning rate's warm-up is over; at the latest after 3/10 of the
/// run, warm-up or not. From then on L_u and L_c count by
///
///     weight = ramp · min(1, 2 d) · max(0, 1 − 5 (best q − q) / best q)
///
/// where the ramp rises from 1/F to 1 over F windows. From a mean Dice of 1/2 on, the measure d no longer lowers the
/// weight. A teacher whose q falls below its best lowers the weight, to 0 at 4/5 of the best.
package struct Evidence: Equatable {
  /// What a measurement has led to.
  package enum Event: Equatable { case none, started }

  /// The latest step that pseudo-labels start at.
  let latestStart: Int
  /// The step before which they do not start by themselves: the learning rate still rises.
  let earliestStart: Int
  /// Whether they may start earlier than ``latestStart``.
  let startsByItself: Bool
  /// Of the last window that held out each fold.
  package internal(set) var measured: [ConfusionMatrix?]
  /// The greatest q so far.
  package internal(set) var best = 0.0
  /// The window at which q had last grown by 2 %, and q there.
  package internal(set) var progress = (window: 0, score: 0.0)
  /// When pseudo-labels have started.
  package internal(set) var start: (window: Int, step: Int)?
  /// What L_u and L_c count by in the next step.
  package internal(set) var weight = 0.0

  /// q must grow by this share to count as progress.
  static let growth = 0.02
  /// The share of the best q at whose loss nothing is trusted any more.
  static let lossOfTrust = 0.2

  /// The mean Dice from which pseudo-labels count in full.
  static let fullTrust = 0.5

  package init(folds: Int, latestStart: Int, startsByItself: Bool, earliestStart: Int = 0) {
    measured = [ConfusionMatrix?](repeating: nil, count: folds)
    self.latestStart = latestStart
    self.earliestStart = earliestStart
    self.startsByItself = startsByItself
  }

  /// Over every labeled image once; nil before each fold has been held out.
  private var all: ConfusionMatrix? {
    var sum: ConfusionMatrix?
    for matrix in measured {
      guard let matrix else { return nil }
      if sum == nil { sum = matrix } else { sum!.add(matrix) }
    }
    return sum
  }

  /// q; nil before each fold has been held out.
  package var score: Double? { all.map { Self.mean($0, $0.intersectionOverUnion) } }

  /// Mean over the classes that the labels have.
  private static func mean(_ matrix: ConfusionMatrix, _ scores: [Double?]) -> Double {
    let present = matrix.truthCounts.indices.filter { matrix.truthCounts[$0] > 0 }
    return present.isEmpty ? 0 : present.reduce(0) { $0 + (scores[$1] ?? 0) } / Double(present.count)
  }

  /// Takes the measurement of the fold that a window held out, and decides on the next steps.
  ///
  /// - Parameters:
  ///   - window: its number.
  ///   - step: the first after it.
  package mutating func observe(_ matrix: ConfusionMatrix, window: Int, step: Int) -> Event {
    let folds = measured.count
    measured[window % folds] = matrix
    guard let all else { return .none }
    let score = Self.mean(all, all.intersectionOverUnion)
    if score > progress.score * (1 + Self.growth) || progress.score == 0 { progress = (window, score) }
    best = max(best, score)
    var event = Event.none
    if start == nil, step >= latestStart || startsByItself && step >= earliestStart && window - progress.window >= folds
    {
      start = (window, step)
      event = .started
    }
    guard let start else { return event }
    let ramp = min(1, Double(window - start.window + 1) / Double(folds))
    let kept = best > 0 ? max(0, 1 - (best - score) / (best * Self.lossOfTrust)) : 0
    weight = ramp * min(1, Self.mean(all, all.dice) / Self.fullTrust) * kept
    return event
  }

  package static func == (a: Evidence, b: Evidence) -> Bool {
    a.latestStart == b.latestStart && a.startsByItself == b.startsByItself && a.measured == b.measured
      && a.best == b.best && a.progress == b.progress && a.start?.window == b.start?.window
      && a.start?.step == b.start?.step && a.weight == b.weight
  }
}
