import Foundation

/// The entropy above which a pixel is unreliable, and where it comes from.
package struct ReliabilityLevel: Sendable, Equatable {
  package let gamma: Double
  /// Such as `γ of step 799`.
  package let source: String

  /// The last γ_t of the checkpoint's run before `step`; nil where the run's metrics.jsonl is not found from the
  /// checkpoint's path, or holds none.
  package static func ofRun(checkpoint: String, step: Int) -> ReliabilityLevel? {
    let file = URL(fileURLWithPath: checkpoint).resolvingSymlinksInPath()
    let metrics = file.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("metrics.jsonl")
    guard let bytes = try? Data(contentsOf: metrics, options: .mappedIfSafe) else { return nil }
    for line in bytes.split(separator: UInt8(ascii: "\n")).reversed() {
      guard let object = (try? JSONSerialization.jsonObject(with: Data(line))) as? [String: Any],
        let at = object["step"] as? Int, at < step, let gamma = object["gamma"] as? Double
      else { continue }
      return ReliabilityLevel(gamma: gamma, source: "γ of step \(at)")
    }
    return nil
  }

  /// The entropy that a share of all pixels of these images exceeds.
  package static func percentile(_ share: Double, of images: [ImageSummary]) -> ReliabilityLevel {
    var counts = [Double](repeating: 0, count: ImageSummary.bins)
    for image in images { for (bin, count) in image.histogram.enumerated() { counts[bin] += Double(count) } }
    let wanted = share * counts.reduce(0, +)
    var above = 0.0
    var bin = ImageSummary.bins - 1
    while bin > 0, above + counts[bin] <= wanted {
      above += counts[bin]
      bin -= 1
    }
    let most = log(Double(max(2, images.first?.shares.count ?? 2)))
    return ReliabilityLevel(
      gamma: (Double(bin) + 0.5) / Double(ImageSummary.bins) * most,
      source: String(format: "the most uncertain %g %% of the candidates' pixels", 100 * share))
  }
}
