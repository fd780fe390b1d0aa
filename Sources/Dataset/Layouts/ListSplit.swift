import Compute

/// An order of a list's images, of which the first n are the labeled ones, for any n: the smaller of two splits is part
/// of the larger.
public struct ListSplit: Sendable {
  /// Positions in the list, each once.
  public let order: [Int]

  /// The purpose of a choice; each has draws of its own.
  public enum Purpose: UInt32, Sendable { case labeled, validation }

  /// A random order, all orders equally likely.
  public init(count: Int, seed: UInt64, for purpose: Purpose = .labeled) {
    let draws = ListSplit.draws(count, seed, purpose)
    order = (0..<count).sorted { (draws[$0], $0) < (draws[$1], $1) }
  }

  /// An order in which classes appear about equally often, as far as the images allow it.
  ///
  /// Each image is chosen for the class that the fewest images chosen so far show (of several the one that the fewest
  /// images of the list show): of the images that show it, one at random. Classes whose images are used up are passed
  /// over; images that show no class come last.
  /// - Parameter classesShown: by image.
  public init(classesShown: [Set<Int>], seed: UInt64) {
    let draws = ListSplit.draws(classesShown.count, seed, .labeled)
    let random = classesShown.indices.sorted { (draws[$0], $0) < (draws[$1], $1) }
    let classes = (classesShown.joined().max() ?? -1) + 1
    // By class its images, the next one last.
    var left: [[Int]] = (0..<classes).map { c in random.reversed().filter { classesShown[$0].contains(c) } }
    let total = left.map(\.count)
    var chosen = [Int](repeating: 0, count: classes)
    var taken = [Bool](repeating: false, count: classesShown.count)
    var order: [Int] = []
    while true {
      for c in 0..<classes { while let next = left[c].last, taken[next] { left[c].removeLast() } }
      let open = (0..<classes).filter { !left[$0].isEmpty }
      guard let c = open.min(by: { (chosen[$0], total[$0], $0) < (chosen[$1], total[$1], $1) }) else { break }
      let image = left[c].removeLast()
      taken[image] = true
      order.append(image)
      for c in classesShown[image] { chosen[c] += 1 }
    }
    self.order = order + random.filter { !taken[$0] }
  }

  /// The positions of the labeled and of the other images, each in the order of the list.
  public func split(_ labeled: Int) -> (labeled: [Int], unlabeled: [Int]) {
    (order.prefix(labeled).sorted(), order.dropFirst(labeled).sorted())
  }

  /// The same for groups of images, of which as many are labeled as it takes to reach a number of images.
  ///
  /// - Returns: places of groups.
  public func split(_ groups: [[Int]], reaching images: Int) -> (labeled: [Int], unlabeled: [Int]) {
    var reached = 0
    let count = order.prefix { group in
      defer { reached += groups[group].count }
      return reached < images
    }.count
    return split(count)
  }

  /// A number of images: `92`, or `1/8` of `count`, rounded up as the published splits are. nil when it is neither, or
  /// not from 1 to `count`.
  public static func number(_ text: String, of count: Int) -> Int? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    let number: Int
    switch (parts.count, parts.first ?? nil, parts.last ?? nil) {
    case (1, let images?, _): number = images
    case (2, let numerator?, let denominator?) where denominator > 0 && (0...denominator).contains(numerator):
      let (product, overflow) = numerator.multipliedReportingOverflow(by: count)
      guard !overflow else { return nil }
      number = product / denominator + (product % denominator == 0 ? 0 : 1)
    default: return nil
    }
    return (1...max(1, count)).contains(number) && count > 0 ? number : nil
  }

  private static func draws(_ count: Int, _ seed: UInt64, _ purpose: Purpose) -> [UInt32] {
    let philox = Philox(seed: seed)
    return (0..<count).map { position in
      philox.words(
        index: UInt32(truncatingIfNeeded: position), item: purpose.rawValue, step: 0, stream: .listSplit)[0]
    }
  }
}
