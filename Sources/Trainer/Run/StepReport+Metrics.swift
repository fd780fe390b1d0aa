import Files
import Method

extension StepReport {
  /// The step's line of `metrics.jsonl`.
  ///
  /// `reliable` counts pixels of the global batch; `unsupervised` is λ_u L_u, `contrastive` L_c before λ_c; `gamma` in
  /// nats, and `gamma_of_class` where thresholds are by class; `weight` where evidence decides what pseudo-labels count
  /// by; `labeled_pixels` is 0 in a step in which L_s counts no pixel, and else not there; `gradient_norm`, before
  /// clipping, is there where `optimizer.clip_norm` is set; `anchors`, `negatives_labeled`, `negatives_unlabeled` and
  /// `bank` have one number a class. What a supervised step lacks is null or empty.
  ///
  /// - Parameter seconds: of the step, on rank 0.
  public func metrics(seconds: Double) -> JSONLine {
    var line = JSONLine()
    line.add("step", step)
    line.add("epoch", epoch)
    line.add("loss", loss)
    line.add("supervised", supervised)
    if supervisedPixels == 0 { line.add("labeled_pixels", 0) }
    line.add("unsupervised", unsupervised)
    line.add("contrastive", contrastive)
    line.add("gamma", gamma)
    if !gammaOfClass.isEmpty { line.add("gamma_of_class", gammaOfClass) }
    line.add("alpha", alpha)
    line.add("reliable", reliable)
    line.add("reliable_share", reliableShare)
    line.add("confidence", confidence)
    if let weight { line.add("weight", weight) }
    line.add("learning_rate", learningRate)
    if let gradientNorm { line.add("gradient_norm", gradientNorm) }
    line.add("anchors", anchors)
    line.add("negatives_labeled", labeledNegatives)
    line.add("negatives_unlabeled", unlabeledNegatives)
    line.add("bank", bank)
    line.add("seconds", seconds)
    return line
  }
}
