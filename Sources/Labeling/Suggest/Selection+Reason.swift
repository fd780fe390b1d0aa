import Foundation

extension Selection {
  /// Why an image is suggested, in words: the parts that contribute a fifth of its score or more, the greatest first.
  ///
  /// - Parameters:
  ///   - usual: the share of unreliable pixels in the mean over the candidates.
  ///   - name: of a class.
  package func reason(_ choice: Choice, usual: Double, name: (Int) -> String) -> String {
    let parts = choice.parts
    let all: [(value: Double, words: String?)] = [
      (parts.classes, classWords(choice, name)),
      (parts.coverage, coverageWords(choice)),
      (parts.doubt, Self.doubtWords(choice, usual: usual)),
    ]
    let said = all.sorted { $0.value > $1.value }.filter { $0.value >= 0.2 * parts.sum }.compactMap(\.words)
    return said.isEmpty ? "the most unlike that is left" : said.joined(separator: "; ")
  }

  private func classWords(_ choice: Choice, _ name: (Int) -> String) -> String? {
    guard !choice.classes.isEmpty else { return nil }
    let words = choice.classes.prefix(2).map { c in
      var facts: [String] = []
      if let iou = need.intersectionOverUnion?[c] {
        facts.append(String(format: "IoU %.0f %%", 100 * iou))
        if let other = need.takenFor[c], iou < 0.5 { facts.append("taken for \(name(other))") }
      } else {
        facts.append(String(format: "%.0f %% uncertain", 100 * need.values[c]))
      }
      return "\(name(c)) (\(facts.joined(separator: ", ")))"
    }
    return "may show \(words.joined(separator: " and "))"
  }

  private func coverageWords(_ choice: Choice) -> String? {
    // An image closer than half of that is not unlike the others, only the most unlike of those that are left.
    guard let distance = choice.distance, distance >= typicalDistance / 2 else { return nil }
    return String(
      format: "unlike the images before it: %.2f from the nearest, %.2f between any two", distance, typicalDistance)
  }

  private static func doubtWords(_ choice: Choice, usual: Double) -> String {
    String(format: "%.1f %% of its pixels are unreliable, %.1f %% in the mean", 100 * choice.unreliable, 100 * usual)
  }
}
