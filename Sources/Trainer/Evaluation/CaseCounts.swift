import Distributed

/// Hits, true and predicted pixels of each class in every image of a list, for means over images, or over groups of them, such as
/// the slices of one patient.
public struct CaseCounts: Sendable {
  private let classes: Int
  /// Images × classes × (hits, true, predicted).
  private var table: [Int64]

  public init(images: Int, classes: Int) {
    self.classes = classes
    table = [Int64](repeating: 0, count: images * classes * 3)
  }

  /// Takes the matrix of one image.
  public mutating func add(_ matrix: ConfusionMatrix, image: Int) {
    for c in 0..<classes {
      let at = (image * classes + c) * 3
      for other in 0..<classes {
        table[at + 1] += matrix.counts[c * classes + other]
        table[at + 2] += matrix.counts[other * classes + c]
      }
      table[at] += matrix.counts[c * classes + c]
    }
  }

  /// What all ranks have, on every rank. Collective.
  public mutating func share(over ranks: Communicator) throws { table = try ranks.sum(table) }

  /// Means over cases, a case being all images of one name.
  ///
  /// - Parameter names: of each image's case.
  public func means(of names: [String]) -> CaseMeans {
    let cases = CaseDistances.cases(names)
    let sums = cases.map { entry in
      (0..<classes * 3).map { i in entry.images.reduce(0) { $0 + table[$1 * classes * 3 + i] } }
    }
    return CaseMeans(sums, names: cases.map(\.name), classes: classes)
  }
}

/// IoU and Dice as means over cases. A class counts in the cases in which it is present or predicted; a case is the mean over its
/// classes.
public struct CaseMeans: Sendable {
  public var cases: Int { names.count }
  /// Of the cases, in the order in which they come first in the list.
  public let names: [String]
  /// Of each case and class, nil where the case does not have the class.
  public let caseIntersectionOverUnion: [[Double?]]
  public let caseDice: [[Double?]]
  /// Of each class, nil where no case has it.
  public let intersectionOverUnion: [Double?]
  public let dice: [Double?]
  /// Standard deviations over cases of each class's Dice; nil where no case has it.
  public let diceDeviation: [Double?]
  /// Means over cases of the case's mean, and their standard deviations.
  public let meanIntersectionOverUnion: (mean: Double, deviation: Double)
  public let meanDice: (mean: Double, deviation: Double)

  /// - Parameter counts: of each case, classes × (hits, true, predicted).
  init(_ counts: [[Int64]], names: [String], classes: Int) {
    func scores(_ score: (_ hits: Double, _ sum: Double) -> Double) -> [[Double?]] {
      counts.map { counts in
        (0..<classes).map { c in
          let sum = counts[3 * c + 1] + counts[3 * c + 2]
          return sum > 0 ? score(Double(counts[3 * c]), Double(sum)) : nil
        }
      }
    }
    func mean(_ values: [Double]) -> Double? {
      values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }
    func ofClasses(_ scores: [[Double?]]) -> [Double?] {
      (0..<classes).map { c in mean(scores.compactMap { $0[c] }) }
    }
    func deviation(_ values: [Double]) -> Double? {
      guard let center = mean(values) else { return nil }
      let squares = values.reduce(0) { $0 + ($1 - center) * ($1 - center) }
      return values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
    }
    func ofCases(_ scores: [[Double?]]) -> (Double, Double) {
      let values = scores.compactMap { mean($0.compactMap { $0 }) }
      return (mean(values) ?? 0, deviation(values) ?? 0)
    }
    self.names = names
    let iou = scores { $0 / ($1 - $0) }
    let dice = scores { 2 * $0 / $1 }
    (intersectionOverUnion, self.dice) = (ofClasses(iou), ofClasses(dice))
    (caseIntersectionOverUnion, caseDice) = (iou, dice)
    diceDeviation = (0..<classes).map { c in deviation(dice.compactMap { $0[c] }) }
    (meanIntersectionOverUnion, meanDice) = (ofCases(iou), ofCases(dice))
  }
}
