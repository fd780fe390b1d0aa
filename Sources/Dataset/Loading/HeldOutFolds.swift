/// Which labeled images are not trained on for a while, so that what a network knows can be measured on them.
///
/// The list falls into folds, image i into fold i mod F; the run falls into windows of equally many steps. In window w fold
/// w mod F is held out. In the last windows none is, so that the run ends with every label.
public struct HeldOutFolds: Sendable, Equatable {
  public let count: Int
  public let folds: Int
  /// Steps of a window.
  public let window: Int
  /// Windows in which a fold is held out.
  public let windows: Int

  /// Windows of a run, and of these the last, in which none is held out.
  static let allWindows = 40
  static let lastWindows = 4
  public static let standardFolds = 4

  /// - Parameters:
  ///   - count: of labeled images, at least twice the folds.
  ///   - totalSteps: of the run.
  public init(count: Int, totalSteps: Int) {
    precondition(count >= 2 * Self.standardFolds)
    self.count = count
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

  public func isHeldOut(_ index: Int, step: Int) -> Bool { fold(step: step) == index % folds }

  /// Images of a fold.
  public func images(of fold: Int) -> [Int] { Array(stride(from: fold, to: count, by: folds)) }

  /// Images that a step may take: all, or all but a fold.
  public func trained(step: Int) -> [Int] {
    guard let fold = fold(step: step) else { return Array(0..<count) }
    return (0..<count).filter { $0 % folds != fold }
  }
}
