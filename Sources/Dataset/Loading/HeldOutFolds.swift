/// Which labeled images are not trained on for a while, so that what a network knows can be measured on them.
///
/// The list falls into folds, image i into fold i mod F, or group g with all of its images into fold g mod F; the run falls into windows of equally many steps. In window w fold
/// w mod F is held out. In the last windows none is, so that the run ends with every label.
public struct HeldOutFolds: Sendable, Equatable {
  public let count: Int
  public let folds: Int
  /// Steps of a window.
  public let window: Int
  /// Windows in which a fold is held out.
  public let windows: Int
  /// The group of each image; nil where each is one of its own.
  private let groups: [Int]?

  /// Windows of a run, and of these the last, in which none is held out.
  static let allWindows = 40
  static let lastWindows = 4
  public static let standardFolds = 4

  /// - Parameters:
  ///   - count: of labeled images, at least twice the folds.
  ///   - totalSteps: of the run.
  ///   - groups: images that are held out together; at least as many groups as folds.
  public init(count: Int, totalSteps: Int, groups: ImageGroups? = nil) {
    precondition(count >= 2 * Self.standardFolds && groups.map { $0.count >= Self.standardFolds } ?? true)
    self.count = count
    self.groups = groups.flatMap { $0.areSet ? $0.numbers : nil }
    folds = Self.standardFolds
    window = max(1, (totalSteps + Self.allWindows - 1) / Self.allWindows)
    windows = max(0, (totalSteps + window - 1) / window - Self.lastWindows)
  }

  /// The window that a step is in.
  public func window(ofStep step: Int) -> Int { step / window }

  /// The fold held out in a step; nil for none.
  public func fold(step: Int) -> Int? {
    let number = window(ofStep: step)
    return number < windows ? number % folds : nil
  }

  public func isHeldOut(_ index: Int, step: Int) -> Bool { fold(step: step) == fold(of: index) }

  private func fold(of index: Int) -> Int { (groups?[index] ?? index) % folds }

  /// Images of a fold.
  public func images(of fold: Int) -> [Int] { (0..<count).filter { self.fold(of: $0) == fold } }

  /// Images that a step may take: all, or all but a fold.
  public func trained(step: Int) -> [Int] {
    guard let fold = fold(step: step) else { return Array(0..<count) }
    return (0..<count).filter { self.fold(of: $0) != fold }
  }
}
