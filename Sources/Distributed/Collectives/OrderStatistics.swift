/// A set of numbers has a NaN, an infinite or a negative one, and so no percentile.
public struct NotOrderable: Error, CustomStringConvertible, Sendable {
  public let description: String
}

/// The bits of a pattern that each round of histograms tells apart, and how far they are shifted.
private let histogramRounds = [(shift: 21, bits: 11), (shift: 10, bits: 11), (shift: 0, bits: 10)]

extension Communicator {
  /// The order statistic of rank `k` (0 the smallest) of the non-negative numbers that all ranks hold together,
  /// exactly.
  ///
  /// The bit patterns of non-negative floats order like integers, so three rounds of histograms over 11, 11 and
  /// 10 bits find the value. Ranks exchange histograms, not numbers: 40 KiB a rank, however many numbers there are.
  /// - Parameters:
  ///   - k: 0 ..< the global count.
  ///   - local: this rank's numbers, each ≥ 0 or −0; possibly none.
  public func orderStatistic(_ k: Int, of local: UnsafeBufferPointer<Float>) throws -> Float {
    try orderStatistics(from: k, of: local).value
  }

  /// The order statistic of rank `k`, and whether the one of rank k + 1 is the same number.
  private func orderStatistics(
    from k: Int, of local: UnsafeBufferPointer<Float>
  ) throws -> (value: Float, isRepeated: Bool) {
    var k = Int64(k)
    var isRepeated = false
    var prefix: UInt32 = 0
    for (shift, bits) in histogramRounds {
      var histogram = [Int64](repeating: 0, count: 1 << bits)
      let mask = UInt32(1 << bits) - 1
      let high = UInt32(shift + bits)
      histogram.withUnsafeMutableBufferPointer { histogram in
        for value in local {
          let pattern = value == 0 ? 0 : value.bitPattern  // −0 counts as 0
          // In the first round high is 32, and Swift's smart shift gives 0.
          if pattern >> high == prefix >> high { histogram[Int((pattern >> UInt32(shift)) & mask)] += 1 }
        }
      }
      histogram = try sum(histogram)
      var bin = 0
      while k >= histogram[bin] {
        k -= histogram[bin]
        bin += 1
      }
      prefix |= UInt32(bin) << UInt32(shift)
      isRepeated = k + 1 < histogram[bin]
    }
    return (Float(bitPattern: prefix), isRepeated)
  }

  /// The smallest of all ranks' non-negative numbers that is greater than `value`, `value` itself where there is none.
  private func successor(of value: Float, in local: UnsafeBufferPointer<Float>) throws -> Float {
    var least = Float.infinity
    for candidate in local { least = candidate > value && candidate < least ? candidate : least }
    let global = Float(bitPattern: UInt32(try minimum([Int64(least.bitPattern)])[0]))
    return global == .infinity ? value : global
  }

  /// The exact global percentile: linear interpolation between the two neighbouring order statistics, at rank
  /// (n − 1)·q/100, as numpy's default.
  ///
  /// - Parameters:
  ///   - q: 0 … 100.
  ///   - local: this rank's non-negative, finite numbers; possibly none.
  ///   - interpolate: what lies between two order statistics, by the distance from the lower, below 1.
  /// - Returns: nil when no rank holds a number.
  /// - Throws: ``NotOrderable`` on every rank when any holds a NaN, an infinite or a negative number.
  public func percentile(
    _ q: Double, of local: UnsafeBufferPointer<Float>,
    interpolate: (_ low: Float, _ high: Float, _ fraction: Double) -> Double = {
      Double($0) + (Double($1) - Double($0)) * $2
    }
  ) throws -> Double? {
    var bad: Int64 = 0
    for value in local where !(value >= 0 && value.isFinite) { bad += 1 }
    let totals = try sum([Int64(local.count), bad])
    guard totals[1] == 0 else {
      throw NotOrderable(
        description: "percentile of \(totals[0]) values: \(totals[1]) of them are NaN, infinite or negative")
    }
    let count = Int(totals[0])
    guard count > 0 else { return nil }
    let position = Double(count - 1) * q / 100
    let below = Int(position)
    let fraction = position - Double(below)
    let (low, isRepeated) = try orderStatistics(from: below, of: local)
    // Computed even where it is not used, so that every rank makes the same calls in every step.
    let next = try successor(of: low, in: local)
    let high = isRepeated ? low : next
    return interpolate(low, high, fraction)
  }
}

extension Traffic {
  /// `orderStatistic`: the histograms.
  public mutating func orderStatistic() { for round in histogramRounds { allReduce(count: 1 << round.bits) } }

  /// `percentile`: how many numbers there are and how many have no place in an order, the order statistic, the next greater one.
  public mutating func percentile() {
    allReduce(count: 2)
    orderStatistic()
    allReduce(count: 1)
  }
}
