import Foundation

/// What `watch` shows of a run: a picture of a terminal's size, or lines.
package struct WatchScreen {
  private let width: Int
  private let height: Int
  private let isPlain: Bool

  /// - Parameter isPlain: whether the terminal shows ASCII alone.
  package init(width: Int, height: Int, isPlain: Bool = false) {
    (self.width, self.height, self.isPlain) = (max(20, width), max(5, height), isPlain)
  }

  /// At most ``height`` lines of at most ``width`` characters.
  package func lines(_ run: RunWatch) -> [String] {
    let warnings = run.warnings.suffix(max(1, height / 6))
    let ranks = rankLines(run, most: max(1, height / 4))
    let headline = Self.headline(run, nameWidth: width / 3)
    let head = [headline, bar(run), Self.numbers(run)].filter { !$0.isEmpty }
    let tail = [""] + ranks + warnings.map { $0 }
    let curves = self.curves(run, rows: height - head.count - tail.count)
    return (head + curves + tail).prefix(height).map(fit)
  }

  private func fit(_ line: String) -> String {
    let plain = isPlain ? String(line.map { $0.isASCII ? $0 : Self.ascii[$0] ?? "?" }) : line
    return plain.count > width ? String(plain.prefix(width - 1)) + (isPlain ? ">" : "…") : plain
  }

  private static let ascii: [Character: Character] = ["γ": "g", "–": "-", "…": ".", "█": "#", "░": "."]

  // MARK: Parts

  /// Such as `runs/camvid  running  epoch 7/20  step 640/1500  43 %  0:53 left`.
  ///
  /// - Parameter nameWidth: a longer path is cut to its end.
  package static func headline(_ run: RunWatch, nameWidth: Int = .max) -> String {
    let name = run.path.count > nameWidth ? "…\(run.path.suffix(max(1, nameWidth - 1)))" : run.path
    var parts = [name, words(run.state)]
    let done = run.progress.step.map { $0 + 1 } ?? 0
    if let epoch = run.progress.epoch { parts.append("epoch \(epoch + 1)\(run.epochs.map { "/\($0)" } ?? "")") }
    parts.append("step \(done)\(run.totalSteps.map { "/\($0)" } ?? "")")
    if let total = run.totalSteps, total > 0 { parts.append("\(100 * done / total) %") }
    if case .running = run.state, let total = run.totalSteps, let seconds = run.progress.seconds, total > done {
      parts.append("\(duration(Double(total - done) * seconds)) left")
    }
    let patience = max(30, 10 * (run.progress.seconds ?? 0))
    if case .running = run.state, let silence = run.secondsSinceChange, silence > patience {
      parts.append("nothing new for \(duration(silence))")
    }
    return parts.joined(separator: "  ")
  }

  package static func words(_ state: RunWatch.State) -> String {
    switch state {
    case .running: "running"
    case .finished: "finished"
    case .stopped: "stopped"
    case .failed: "failed"
    case .gone: "not running"
    }
  }

  /// The last numbers, such as `loss 0.5880  γ 0.6734  reliable 79.0 %  lr 1.80e-02  0.231 s a step`.
  package static func numbers(_ run: RunWatch) -> String {
    let progress = run.progress
    var parts: [String] = []
    if let loss = progress.loss.last { parts.append(String(format: "loss %.4f", loss)) }
    if let gamma = progress.gamma.last { parts.append(String(format: "γ %.4f", gamma)) }
    if let share = progress.reliable.last { parts.append(String(format: "reliable %.1f %%", 100 * share)) }
    if let rate = progress.learningRate { parts.append(String(format: "lr %.2e", rate)) }
    if let seconds = progress.seconds { parts.append(String(format: "%.3f s a step", seconds)) }
    if let last = progress.evaluations.last, let best = progress.best {
      let network = last.network
      parts.append(String(format: "mIoU %.2f %% (%@)", 100 * last.meanIoU, network))
      parts.append(String(format: "best %.2f %%", 100 * best.meanIoU))
    }
    if progress.damaged > 0 { parts.append("\(progress.damaged) damaged lines of metrics left out") }
    return parts.joined(separator: "  ")
  }

  private func bar(_ run: RunWatch) -> String {
    guard let total = run.totalSteps, total > 0 else { return "" }
    let filled = min(width, width * (run.progress.step.map { $0 + 1 } ?? 0) / total)
    return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
  }

  private func curves(_ run: RunWatch, rows: Int) -> [String] {
    var evaluations = Curve()
    for evaluation in run.progress.evaluations { evaluations.add(100 * evaluation.meanIoU, step: evaluation.step) }
    let all = [
      ("loss", run.progress.loss), ("mIoU %", evaluations), ("γ", run.progress.gamma),
      ("reliable", run.progress.reliable),
    ].filter { !$0.1.isEmpty }
    let shown = all.prefix(max(0, rows / 2))
    guard !shown.isEmpty else { return [] }
    // Each has a line with its name and range above it.
    let each = min(8, rows / shown.count - 1)
    return shown.flatMap { name, curve -> [String] in
      let columns = name == "mIoU %" ? evaluationColumns(run.progress) : curve.columns(width)
      let values = columns.compactMap { $0 }
      let range = String(format: "%.4g – %.4g, now %.4g", values.min() ?? 0, values.max() ?? 0, curve.last ?? 0)
      return ["\(name)  \(range)"] + CharacterChart.lines(columns, rows: each, isPlain: isPlain)
    }
  }

  /// One column for each of the last evaluations.
  private func evaluationColumns(_ progress: RunProgress) -> [Double?] {
    progress.evaluations.suffix(width).map { 100 * $0.meanIoU }
  }

  private func rankLines(_ run: RunWatch, most: Int) -> [String] {
    var lines = run.ranks.values.sorted { $0.rank < $1.rank }.map { view in
      "rank \(view.rank)\(view.host.isEmpty ? "" : " on \(view.host)")  step \(view.lastStep.map { "\($0 + 1)" } ?? "–")  "
        + view.words
    }
    if lines.count > most { lines = lines.prefix(most - 1) + ["\(lines.count - most + 1) more ranks"] }
    if let straggler = run.straggler {
      lines.append(
        String(
          format: "rank %d holds the others up: they wait %.1f %% of a step for it", straggler.rank,
          100 * straggler.share))
    }
    return lines
  }
}

/// Seconds as 0:07, 12:34 or 3:05:00.
func duration(_ seconds: Double) -> String {
  let s = Int(min(max(seconds, 0), 1e9).rounded())
  return s >= 3600
    ? String(format: "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60) : String(format: "%d:%02d", s / 60, s % 60)
}
