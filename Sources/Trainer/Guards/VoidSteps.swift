import Method

/// Counts steps whose labeled crops have no pixel that L_s counts: each is ignored, or of a class of weight 0.
///
/// Such a step learns nothing from labels; many of them are a sign of masks with few labeled pixels, or of a small
/// crop.
struct VoidSteps {
  private var count = 0
  private var steps = 0

  /// - Returns: a warning after the first such step; else nil.
  mutating func warning(_ report: StepReport) -> String? {
    steps += 1
    guard report.supervisedPixels == 0 else { return nil }
    count += 1
    guard count == 1 else { return nil }
    return
      "step \(report.step): no pixel of the labeled images counts, since all of them are ignored, or of classes of "
      + "weight 0; L_s is 0 in such a step. metrics.jsonl has labeled_pixels 0 in each; a larger batch.labeled or "
      + "augment.crop, or data.balance, makes them rarer"
  }

  /// A warning at the end of the run; nil where there was no such step.
  var summary: String? {
    count == 0 ? nil : "\(count) of \(steps) steps had no labeled pixel that counts"
  }
}
