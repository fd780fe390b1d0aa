import Configuration
import Foundation

extension DataSurvey {
  /// The lines that a user sees.
  func report(_ configuration: Configuration) -> [String] {
    let data = configuration.data
    var lines = [
      "data.kind \(data.kind.rawValue), \(data.root.isEmpty ? "" : "\(data.root), ")\(data.classes) classes", "",
    ]
    if !lists.isEmpty {
      lines += table(["list", "images", "smallest", "largest", "ignored"], lists.map(row))
      lines.append("")
    }
    let masked = lists.filter { $0.isMasked && $0.pixels.contains { $0 > 0 } }
    if !masked.isEmpty {
      let names = (0..<data.classes).map(data.name) + ["ignore"]
      lines += table(
        ["class"] + masked.flatMap { ["\($0.name) %", "images"] },
        names.indices.map { c in
          [names[c]] + masked.flatMap { [share($0.pixels[c], of: $0.pixels.reduce(0, +)), "\($0.shownBy[c])"] }
        })
      lines.append("")
    }
    if let weights = lists.first(where: { $0.role == .labeled && $0.isMasked })?.shares.balancingWeights {
      let text = weights.map { String(format: "%.3g", $0) }.joined(separator: ", ")
      lines += ["to weigh classes alike, by their median share: --set 'loss.class_weights=[\(text)]'", ""]
    }
    lines += remarks.map { "note: \($0)" }
    lines += warnings.map { "warning: \($0)" }
    if !problems.isEmpty {
      lines.append("\(problems.count) \(problems.count == 1 ? "problem" : "problems"):")
      lines += problems.map { "  \($0)" }
    }
    return lines
  }

  /// The end of the last line.
  var verdict: String {
    if !problems.isEmpty { return "" }
    return warnings.isEmpty ? ": nothing is wrong" : ": nothing that stops a run, but see the warning"
  }

  private func row(_ list: List) -> [String] {
    func size(_ size: (height: Int, width: Int)?) -> String { size.map { "\($0.width)×\($0.height)" } ?? "–" }
    let ignored = list.pixels.last.map { share($0, of: list.pixels.reduce(0, +)) + " %" }
    return [list.name, "\(list.images)", size(list.smallest), size(list.largest), ignored ?? "–"]
  }

  private func share(_ part: Int64, of whole: Int64) -> String {
    guard whole > 0 else { return "–" }
    guard part > 0 else { return "0" }
    let percent = Double(part) / Double(whole) * 100
    return percent < 0.01 ? "<0.01" : String(format: "%.2f", percent)
  }

  /// Columns as wide as they need to be; the first begins at the left, the others end at the right.
  private func table(_ head: [String], _ rows: [[String]]) -> [String] {
    let widths = head.indices.map { column in ([head] + rows).map { $0[column].count }.max() ?? 0 }
    return ([head] + rows).map { row in
      row.enumerated().map { column, text in
        let blank = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 ? text + blank : blank + text
      }.joined(separator: "   ")
    }
  }
}
