/// A quantity over the steps of a run, in so few numbers that they fit any run: means over stretches of steps, which get longer
/// as the run does.
package struct Curve: Sendable, Equatable {
  private static let most = 2048

  /// Steps of a stretch.
  private var width = 1
  private var sums: [Double] = []
  private var counts: [Int] = []
  package private(set) var last: Double?

  package init() {}

  package var isEmpty: Bool { last == nil }

  /// Steps come in their order; values that are not finite are left out.
  package mutating func add(_ value: Double, step: Int) {
    guard value.isFinite, step >= 0 else { return }
    while step / width >= Self.most { halve() }
    let place = step / width
    while sums.count <= place {
      sums.append(0)
      counts.append(0)
    }
    sums[place] += value
    counts[place] += 1
    last = value
  }

  private mutating func halve() {
    width *= 2
    func pairs<Value: AdditiveArithmetic>(_ values: [Value]) -> [Value] {
      stride(from: 0, to: values.count, by: 2).map { $0 + 1 < values.count ? values[$0] + values[$0 + 1] : values[$0] }
    }
    (sums, counts) = (pairs(sums), pairs(counts))
  }

  /// Means over as many equal parts of the steps so far; nil where a part has no value.
  package func columns(_ count: Int) -> [Double?] {
    guard count > 0, !sums.isEmpty else { return [] }
    // Fewer values than columns are shown one a column.
    let used = min(count, sums.count)
    return (0..<used).map { column in
      let part = column * sums.count / used..<max(column * sums.count / used + 1, (column + 1) * sums.count / used)
      let number = part.reduce(0) { $0 + counts[$1] }
      return number > 0 ? part.reduce(0) { $0 + sums[$1] } / Double(number) : nil
    }
  }
}
