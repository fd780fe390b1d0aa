import Method

/// How often pixels of each true class were given each class, over a whole list.
public struct ConfusionMatrix: Sendable, Equatable {
  public let classes: Int
  /// True class major.
  public private(set) var counts: [Int64]

  public init(classes: Int) {
    self.classes = classes
    counts = [Int64](repeating: 0, count: classes * classes)
  }

  public init(classes: Int, counts: [Int64]) {
    precondition(counts.count == classes * classes)
    self.classes = classes
    self.counts = counts
  }

  /// Pixels whose truth is 255 are left out.
  public mutating func add(truth: [UInt8], prediction: [UInt8]) {
    for (t, p) in zip(truth, prediction) where t != ignoreLabel { counts[Int(t) * classes + Int(p)] += 1 }
  }

  /// Pixels of another list of the same classes.
  public mutating func add(_ other: ConfusionMatrix) {
    precondition(classes == other.classes)
    for i in counts.indices { counts[i] += other.counts[i] }
  }

  /// Intersection over union of each class, nil for a class neither present nor predicted.
  public var intersectionOverUnion: [Double?] {
    (0..<classes).map { c in
      let hits = counts[c * classes + c]
      let truth = (0..<classes).reduce(0) { $0 + counts[c * classes + $1] }
      let predicted = (0..<classes).reduce(0) { $0 + counts[$1 * classes + c] }
      let union = truth + predicted - hits
      return union > 0 ? Double(hits) / Double(union) : nil
    }
  }

  /// Mean over the classes that are present or predicted; 0 where there is none.
  public var meanIntersectionOverUnion: Double {
    let present = intersectionOverUnion.compactMap { $0 }
    return present.isEmpty ? 0 : present.reduce(0, +) / Double(present.count)
  }

  /// Dice of each class, 2 · hits / (true + predicted pixels); nil for a class neither present nor predicted.
  public var dice: [Double?] { intersectionOverUnion.map { $0.map { 2 * $0 / (1 + $0) } } }

  /// Mean of ``dice`` over the classes that are present or predicted; 0 where there is none.
  public var meanDice: Double {
    let present = dice.compactMap { $0 }
    return present.isEmpty ? 0 : present.reduce(0, +) / Double(present.count)
  }

  /// Pixels of each true class.
  public var truthCounts: [Int64] {
    (0..<classes).map { c in counts[c * classes..<(c + 1) * classes].reduce(0, +) }
  }

  /// Share of a class's pixels that are given it, nil for a class that is not present.
  public var accuracy: [Double?] {
    truthCounts.enumerated().map { c, truth in truth > 0 ? Double(counts[c * classes + c]) / Double(truth) : nil }
  }

  /// Mean of ``accuracy`` over the classes that are present; 0 where there is none.
  public var meanAccuracy: Double {
    let present = accuracy.compactMap { $0 }
    return present.isEmpty ? 0 : present.reduce(0, +) / Double(present.count)
  }

  /// Share of pixels given their true class.
  public var pixelAccuracy: Double {
    let all = counts.reduce(0, +)
    return all > 0 ? Double((0..<classes).reduce(0) { $0 + counts[$1 * classes + $1] }) / Double(all) : 0
  }
}
