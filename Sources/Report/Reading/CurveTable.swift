/// Columns of numbers over the records of a run, thinned to a bounded number of rows: each row is of so many records
/// one after the other, of which it keeps mean, least and greatest. When the rows are full, neighbours are joined.
package struct CurveTable: Sendable {
  package struct Column: Sendable {
    package fileprivate(set) var sum: [Double] = []
    package fileprivate(set) var count: [Int32] = []
    package fileprivate(set) var least: [Float] = []
    package fileprivate(set) var greatest: [Float] = []

    /// NaN where no record of the row had a value.
    package var means: [Float] { zip(sum, count).map { $1 > 0 ? Float($0 / Double($1)) : .nan } }

    fileprivate mutating func fill(to rows: Int) {
      let missing = rows - sum.count
      guard missing > 0 else { return }
      sum += [Double](repeating: 0, count: missing)
      count += [Int32](repeating: 0, count: missing)
      least += [Float](repeating: .nan, count: missing)
      greatest += [Float](repeating: .nan, count: missing)
    }

    fileprivate mutating func add(_ value: Double, row: Int) {
      fill(to: row + 1)
      sum[row] += value
      count[row] += 1
      least[row] = Float.minimum(least[row], Float(value))
      greatest[row] = Float.maximum(greatest[row], Float(value))
    }

    fileprivate mutating func halve(rows: Int) {
      fill(to: rows)
      let half = rows / 2
      for i in 0..<half {
        sum[i] = sum[2 * i] + sum[2 * i + 1]
        count[i] = count[2 * i] + count[2 * i + 1]
        least[i] = Float.minimum(least[2 * i], least[2 * i + 1])
        greatest[i] = Float.maximum(greatest[2 * i], greatest[2 * i + 1])
      }
      (sum, count) = (Array(sum[..<half]), Array(count[..<half]))
      (least, greatest) = (Array(least[..<half]), Array(greatest[..<half]))
    }
  }

  /// An even number.
  let limit: Int
  /// Records that a full row is of.
  package private(set) var recordsPerRow = 1
  /// Of the last record of each row: its step, and the seconds of training until then.
  package private(set) var steps: [Int] = []
  package private(set) var seconds: [Double] = []
  private(set) var columns: [String: Column] = [:]
  private var inLastRow = 0

  package init(limit: Int) { self.limit = limit }

  package var rows: Int { steps.count }

  /// Begins a record, to which ``set(_:_:)`` gives values.
  package mutating func begin(step: Int, seconds now: Double) {
    if rows > 0, inLastRow < recordsPerRow {
      steps[rows - 1] = step
      seconds[rows - 1] = now
      inLastRow += 1
      return
    }
    if rows == limit { halve() }
    steps.append(step)
    seconds.append(now)
    inLastRow = 1
  }

  /// A value of the record begun last; what is not finite has no place in a curve.
  package mutating func set(_ name: String, _ value: Double?) {
    guard let value, value.isFinite, rows > 0 else { return }
    columns[name, default: Column()].add(value, row: rows - 1)
  }

  private mutating func halve() {
    let full = rows
    for name in columns.keys { columns[name]!.halve(rows: full) }
    steps = stride(from: 1, to: full, by: 2).map { steps[$0] }
    seconds = stride(from: 1, to: full, by: 2).map { seconds[$0] }
    recordsPerRow *= 2
  }

  /// A column with a value, or NaN, for every row.
  package func column(_ name: String) -> Column? {
    guard var column = columns[name] else { return nil }
    column.fill(to: rows)
    return column
  }
}
