/// What a list of images is for.
public enum ListRole: Sendable, CaseIterable {
  case labeled, unlabeled, validation

  /// The name of the list in a data set on disk.
  public var name: String {
    switch self {
    case .labeled: "labeled"
    case .unlabeled: "unlabeled"
    case .validation: "val"
    }
  }

  /// The number of the list's first image among all generated images: the lists are disjoint, and none shifts when
  /// another grows.
  public var firstGeneratedImage: Int {
    switch self {
    case .labeled: 0
    case .unlabeled: 1_000_000
    case .validation: 2_000_000
    }
  }
}
