import Files
import Foundation
import RunLogs

/// What a page of a report shows, as JSON for its script: numbers of curves are 32-bit floats in Base64, little-endian.
package enum PageData {
  static func json(_ runs: [RunReader], comparisons: [Comparison]) -> String {
    var page = JSONLine()
    let formatter = ISO8601DateFormatter()
    page.add("made", formatter.string(from: Date()))
    page.add("runs", runs.map(run))
    page.add("comparisons", comparisons.map(comparison))
    // Inside a script element no text may look like its end.
    return page.text.replacing("<", with: "\\u003c")
  }

  private static func run(_ run: RunReader) -> JSONLine {
    var line = JSONLine()
    line.add("name", run.name)
    line.add("path", run.directory.path)
    line.add("seed", run.seed)
    line.add("kind", run.configuration.map { $0.u2pl.enabled ? "U²PL" : "supervised only" } ?? "")
    line.add("classes", run.classNames)
    line.add("stepsDone", run.metrics.lastStep.map { $0 + 1 } ?? 0)
    line.add("totalSteps", run.record?.totalSteps ?? 0)
    line.add("seconds", run.metrics.seconds)
    line.add("damaged", run.metrics.damagedCount)
    line.add("damagedLines", run.metrics.firstDamaged)
    line.add("repeated", run.metrics.repeatedCount)
    line.add("damagedLogLines", run.times.damagedCount)
    line.add("problems", run.problems)
    line.add("steps", table(run.metrics.steps))
    line.add("byClass", table(run.metrics.classes))
    line.add("evaluations", table(run.metrics.evaluations))
    line.add("evidence", table(run.metrics.evidence))
    line.add("evaluationCount", run.metrics.evaluationCount)
    if let last = run.metrics.last { line.add("last", evaluation(last)) }
    if let best = run.metrics.best { line.add("best", evaluation(best)) }
    if let record = run.record { add(record, of: run, to: &line) }
    line.add("ranks", ranks(run.times))
    line.add("comparedSteps", run.times.comparedSteps)
    line.add("starts", run.times.starts.suffix(100).map { pairs([("time", $0.time)] + $0.facts) })
    line.add("startCount", run.times.starts.count)
    line.add("messages", run.times.messages.map(message))
    line.add("attempts", run.attempts.map(attempt))
    line.add("checkpoints", run.checkpoints.map(checkpoint))
    line.add("settings", run.settings.map(setting))
    line.add("facts", run.facts.map { pairs([("name", $0.name), ("value", $0.value)]) })
    line.add("command", run.command)
    return line
  }

  private static func pairs(_ pairs: [(String, String)]) -> JSONLine {
    var line = JSONLine()
    for (key, value) in pairs { line.add(key, value) }
    return line
  }

  // MARK: Curves

  private static func table(_ table: CurveTable) -> JSONLine {
    var line = JSONLine()
    line.add("rows", table.rows)
    line.add("recordsPerRow", table.recordsPerRow)
    line.add("step", base64(table.steps.map(Float.init)))
    line.add("time", base64(table.seconds.map(Float.init)))
    var columns = JSONLine()
    for name in table.columns.keys.sorted() {
      guard let column = table.column(name) else { continue }
      var values = JSONLine()
      values.add("mean", base64(column.means))
      // The band between least and greatest is for the few curves of steps; those of classes would make the page large.
      if table.recordsPerRow > 1, !name.contains("/") {
        values.add("least", base64(column.least))
        values.add("greatest", base64(column.greatest))
      }
      columns.add(name, values)
    }
    line.add("columns", columns)
    return line
  }

  private static func base64(_ values: [Float]) -> String {
    values.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0).base64EncodedString() }
  }

  private static func evaluation(_ evaluation: MetricsReader.Evaluation) -> JSONLine {
    var line = JSONLine()
    line.add("step", evaluation.step)
    line.add("network", evaluation.network)
    line.add("images", evaluation.images ?? 0)
    for (name, score) in evaluation.scores.sorted(by: { $0.key < $1.key }) { line.add(name, score) }
    line.add("iou", evaluation.iou)
    line.add("dice", evaluation.dice)
    return line
  }

  // MARK: The last evaluation

  private static func add(_ record: EvaluationRecord, of run: RunReader, to line: inout JSONLine) {
    line.add("confusion", record.confusion)
    line.add("confusionSteps", record.steps)
    line.add("palette", record.palette.map { "rgb(\($0.map(String.init).joined(separator: ",")))" })
    line.add("pictureSteps", record.pictureSteps ?? 0)
    line.add("gamma", record.gamma)
    line.add("greatestEntropy", record.greatestEntropy)
    let folder = EvaluationRecord.picturesPath(run.directory.path)
    line.add(
      "pictures",
      record.pictures.map { picture in
        var line = JSONLine()
        line.add("list", picture.list)
        line.add("name", picture.name)
        line.add("errors", picture.errors.map(Double.init))
        line.add("labeled", picture.labeled.map(Double.init))
        line.add(
          "files",
          picture.files.compactMap { file in
            guard let bytes = pictureBytes(folder, file.name) else { return nil }
            return pairs([("kind", file.kind), ("data", "data:image/png;base64," + bytes.base64EncodedString())])
          })
        return line
      })
  }

  private static let mostPictureBytes = 4 << 20

  /// A PNG of the run's folder of pictures; nil for anything else.
  private static func pictureBytes(_ folder: String, _ name: String) -> Data? {
    guard !name.contains("/"), let bytes = FileManager.default.contents(atPath: FileSystem.join(folder, name)),
      bytes.count <= mostPictureBytes, bytes.starts(with: [0x89, 0x50, 0x4E, 0x47])
    else { return nil }
    return bytes
  }

  // MARK: Time, restarts, checkpoints, facts

  private static func ranks(_ times: PhaseTimes) -> [JSONLine] {
    times.ranks.sorted { $0.key < $1.key }.map { number, rank in
      var line = JSONLine()
      line.add("rank", number)
      line.add("host", rank.host)
      line.add("steps", rank.steps)
      line.add("seconds", rank.seconds)
      line.add("own", rank.own)
      line.add("waited", rank.waited)
      line.add("slowest", rank.slowest)
      line.add("phases", rank.order)
      line.add("phaseSeconds", rank.order.map { rank.phases[$0]!.seconds })
      line.add("phaseWaits", rank.order.map { rank.phases[$0]!.waited })
      return line
    }
  }

  private static func message(_ message: PhaseTimes.Message) -> JSONLine {
    var line = pairs([("time", message.time), ("level", message.level.rawValue), ("text", message.text)])
    line.add("rank", message.rank)
    return line
  }

  private static func attempt(_ record: LaunchRecord) -> JSONLine {
    var line = pairs([("event", record.event.rawValue), ("time", record.time ?? "")])
    line.add("attempt", record.attempt ?? 0)
    if let ranks = record.ranks { line.add("ranks", ranks) }
    if let hosts = record.hosts { line.add("hosts", hosts) }
    if let step = record.step { line.add("step", step) }
    if let step = record.resumedFrom { line.add("resumedFrom", step) }
    if let seconds = record.seconds { line.add("seconds", seconds) }
    if let how = record.how { line.add("how", how) }
    return line
  }

  private static func checkpoint(_ checkpoint: RunReader.Checkpoint) -> JSONLine {
    var line = pairs([
      ("name", checkpoint.name), ("modified", ISO8601DateFormatter().string(from: checkpoint.modified)),
      ("links", checkpoint.links.joined(separator: ", ")),
    ])
    line.add("step", checkpoint.step)
    line.add("bytes", checkpoint.bytes)
    return line
  }

  private static func setting(_ setting: RunReader.Setting) -> JSONLine {
    var line = pairs([("key", setting.key), ("value", setting.value), ("standard", setting.standard)])
    line.add("differs", setting.differs ? 1 : 0)
    return line
  }

  private static func comparison(_ comparison: Comparison) -> JSONLine {
    func spread(_ spread: Comparison.Spread?) -> String { spread.map(Comparison.text) ?? "" }
    var line = JSONLine()
    line.add("first", comparison.first)
    line.add("second", comparison.second)
    line.add("seeds", comparison.seeds)
    line.add("notes", comparison.notes)
    line.add(
      "rows",
      comparison.rows.map { row in
        pairs([
          ("name", row.name), ("first", spread(row.first)), ("second", spread(row.second)),
          ("difference", row.difference.map { String(format: "%+.2f", $0.mean) } ?? ""),
          ("interval", row.difference.map(Comparison.interval) ?? ""),
        ])
      })
    return line
  }
}
