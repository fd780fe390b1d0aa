import Files
import Method

extension StepReport {
  /// The step's line of `metrics.jsonl`.
  ///
  /// `reliable` counts pixels of the global batch; `unsupervised` is λ_u L_u, `contrastive` L_c before λ_c; `gamma` in
  /// nats; `gradient_norm`, before clipping, is there where `optimizer.clip_norm` is set; `anchors`, `negatives` and `bank`
  /// have one number a class. What a supervised step lacks is null or empty.
  ///
  /// - Parameter seconds: of the step, on rank 0.
  public func metrics(seconds: Double) -> JSONLine {
    var line = JSONLine()
    line.add("step", step)
    line.add("epoch", epoch)
    line.add("loss", loss)
    line.add("supervised", supervised)
    line.add("unsupervised", unsupervised)
    line.add("contrastive", contrastive)
    line.add("gamma", gamma)
    line.add("alpha", alpha)
    line.add("reliable", reliable)
    line.add("reliable_share", reliableShare)
    line.add("confidence", confidence)
    line.add("learning_rate", learningRate)
    if let gradientNorm { line.add("gradient_norm", gradientNorm) }
    line.add("anchors", anchors)
    line.add("negatives", negatives)
    line.add("bank", bank)
    line.add("seconds", seconds)
    return line
  }
}
