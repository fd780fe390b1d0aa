/// The weights of bilinear interpolation along one axis with aligned corners: output pixel i lies at
/// i·(source − 1)/(target − 1) of the source.
///
/// The division is done in integers, so a position that falls on a source pixel falls on it exactly.
public struct BilinearAxis: Sendable {
  /// Output pixels.
  public let count: Int
  /// For each output pixel the source pixel at or before it, the one after (or the same at the end), and the weight of
  /// the latter in [0, 1).
  public let lower: [Int]
  public let upper: [Int]
  public let fraction: [Float]
  /// For each source pixel, the output pixels it contributes to, ascending, with its weight in each.
  public let contributions: [[(output: Int, weight: Float)]]

  public init(source: Int, target: Int) {
    count = target
    var lower = [Int](), upper = [Int](), fraction = [Float]()
    var contributions = [[(output: Int, weight: Float)]](repeating: [], count: source)
    for i in 0..<target {
      let steps = max(target - 1, 1)
      let position = target > 1 ? i * (source - 1) : 0
      let below = position / steps
      let above = min(below + 1, source - 1)
      let weight = Double(position % steps) / Double(steps)
      lower.append(below)
      upper.append(above)
      fraction.append(Float(weight))
      contributions[below].append((i, Float(1 - weight)))
      if weight > 0 { contributions[above].append((i, Float(weight))) }
    }
    self.lower = lower
    self.upper = upper
    self.fraction = fraction
    self.contributions = contributions
  }
}
