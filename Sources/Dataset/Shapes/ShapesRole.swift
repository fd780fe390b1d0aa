/// The lists of a generated data set. Each numbers its images from a place of its own, so that the lists are disjoint
/// and none shifts when another grows.
public enum ShapesRole: Int, Sendable, CaseIterable {
  case labeled = 0
  case unlabeled = 1_000_000
  case validation = 2_000_000

  /// The number of the list's first image.
  public var firstImage: Int { rawValue }

  /// What the list is called in a data set on disk.
  public var list: String {
    switch self {
    case .labeled: "labeled"
    case .unlabeled: "unlabeled"
    case .validation: "val"
    }
  }
}
