import Configuration
import Dataset
import Distributed
import Foundation
import Method
import Transforms

/// How many pixels each class has in the masks of a list, and what that says about the list.
public struct LabelShares: Sendable, Equatable {
  /// Pixels of each class, then of ignore.
  public private(set) var pixels: [Int64]
  /// Masks that show each class, then those with ignored pixels.
  public private(set) var shownBy: [Int64]
  /// Classes with less than this share of the labeled pixels are rare.
  public static let rareShare = 0.005

  public init(classes: Int) {
    pixels = [Int64](repeating: 0, count: classes + 1)
    shownBy = pixels
  }

  public init(pixels: [Int64], shownBy: [Int64]) { (self.pixels, self.shownBy) = (pixels, shownBy) }

  /// Counts a mask, whose values are classes or ignore.
  public mutating func add(_ labels: LabelMap) {
    var counts = [Int64](repeating: 0, count: 256)
    labels.values.withUnsafeBufferPointer { for value in $0 { counts[Int(value)] += 1 } }
    for c in pixels.indices {
      let count = counts[c < classes ? c : Int(LabelMap.ignore)]
      pixels[c] += count
      if count > 0 { shownBy[c] += 1 }
    }
  }

  /// Adds the counts of other masks, of as many classes.
  mutating func add(_ others: LabelShares) {
    pixels = zip(pixels, others.pixels).map(+)
    shownBy = zip(shownBy, others.shownBy).map(+)
  }

  /// Adds up the counts of all ranks. Collective.
  mutating func sum(over ranks: Communicator) throws {
    (pixels, shownBy) = (try ranks.sum(pixels), try ranks.sum(shownBy))
  }

  public var classes: Int { pixels.count - 1 }
  /// Pixels that are of a class.
  public var labeled: Int64 { pixels.dropLast().reduce(0, +) }
  public var all: Int64 { pixels.reduce(0, +) }
  /// Classes without a pixel.
  public var absent: [Int] { (0..<classes).filter { pixels[$0] == 0 } }
  /// Classes that have few pixels, the rarest first.
  public var rare: [Int] {
    (0..<classes).filter { pixels[$0] > 0 && Double(pixels[$0]) < LabelShares.rareShare * Double(labeled) }
      .sorted { (pixels[$0], $0) < (pixels[$1], $1) }
  }

  /// A class's share of the labeled pixels in percent.
  private func percent(_ label: Int) -> String {
    let value = 100 * Double(pixels[label]) / Double(labeled)
    return String(format: value < 0.01 ? "%.1g %%" : "%.2f %%", value)
  }

  /// Weights that make classes count alike in the loss: the median of the shares over a class's own, at most 100. A
  /// class without a pixel has 1, which is never used. nil where no two classes are shown.
  public var balancingWeights: [Double]? {
    let shown = pixels.dropLast().filter { $0 > 0 }.sorted()
    guard shown.count > 1 else { return nil }
    let middle = shown.count / 2
    let median = shown.count % 2 == 1 ? Double(shown[middle]) : (Double(shown[middle - 1]) + Double(shown[middle])) / 2
    return pixels.dropLast().map { $0 > 0 ? min(100, median / Double($0)) : 1 }
  }

  // MARK: What to tell the user

  /// What is wrong with a list whose masks have no pixel of a class; nil where they have one.
  ///
  /// - Parameter list: its name.
  public func problem(_ list: String, _ data: Configuration.Data) -> String? {
    guard labeled == 0, all > 0 else { return nil }
    let how =
      LabelShares.storesClasses(data)
      ? "all pixels are \(LabelMap.ignore), which is ignored; if that is a class, data.label_map says so, such as "
        + "--set 'data.label_map={\(LabelMap.ignore): \(data.yamlName(of: data.classes - 1))}'"
      : "every value that they store is ignored"
        + (data.labelMap == nil ? "" : "; data.label_map gives none of them a class, correct it")
    return "the masks of the \(list) list have no pixel of a class: \(how)"
  }

  /// In one line, which classes the labeled masks do not show, or hardly; nil where there is none.
  public func warning(_ configuration: Configuration) -> String? {
    let data = configuration.data
    guard labeled > 0 else { return nil }
    var parts: [String] = []
    if !absent.isEmpty { parts.append("no labeled mask shows \(data.names(of: absent))" + ignoredAdvice(data)) }
    let isBalanced = configuration.loss.classWeights != nil || data.balance > 0
    if !rare.isEmpty, !isBalanced {
      let names = rare.prefix(8).map { "\(data.name(of: $0)) (\(percent($0)))" }.joined(separator: ", ")
      parts.append(
        "rare in the labeled masks: \(names)\(rare.count > 8 ? " and \(rare.count - 8) more" : ""); data.balance draws "
          + "such classes more often, u2pl data check prints loss.class_weights to paste")
    }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  /// What absent classes have to do with ignored pixels, as where masks store 255 for the object.
  private func ignoredAdvice(_ data: Configuration.Data) -> String {
    guard pixels[classes] > 0 else { return "" }
    let share = String(format: "%.1f %%", 100 * Double(pixels[classes]) / Double(all))
    guard LabelShares.storesClasses(data) else { return ", and \(share) of their pixels are ignored" }
    let found = ", and \(share) of their pixels are \(LabelMap.ignore), which is ignored"
    guard absent.count == 1, classes <= 8 else {
      return found + "; if \(LabelMap.ignore) means one of these, data.label_map says so"
    }
    let shown = (0..<classes).filter { pixels[$0] > 0 }
    func map(_ entries: [(Int, Int)]) -> String {
      "{" + entries.map { "\($0): \(data.yamlName(of: $1))" }.joined(separator: ", ") + "}"
    }
    let ignore = Int(LabelMap.ignore)
    let straight = map(shown.map { ($0, $0) } + [(ignore, absent[0])])
    let turned =
      classes == 2 ? ", or \(map([(shown[0], absent[0]), (ignore, shown[0])])) if the masks are inverted" : ""
    let packed = data.kind == .hdf5 ? " (what u2pl data pack has made, has to be packed again with it)" : ""
    return found + "; if \(ignore) is no mark of pixels to ignore: --set 'data.label_map=\(straight)'\(turned)\(packed)"
  }

  /// Whether masks store class numbers, so that an ignored pixel is 255 there.
  private static func storesClasses(_ data: Configuration.Data) -> Bool {
    data.labelMap == nil && data.kind != .cityscapes
  }
}

extension Configuration.Data {
  /// What a class is called: its name, or else its number.
  public func name(of label: Int) -> String { classNames?[label] ?? "\(label)" }

  /// The names of some classes, the first of them where there are many.
  public func names(of labels: [Int]) -> String {
    let shown = labels.prefix(8).map(name).joined(separator: ", ")
    return labels.count > 8 ? "\(shown) and \(labels.count - 8) more" : shown
  }

  /// A class as `data.label_map` takes it: its name where that needs no quotes.
  fileprivate func yamlName(of label: Int) -> String {
    let name = name(of: label)
    let isPlain = name.wholeMatch(of: /[A-Za-z][A-Za-z0-9_]*/) != nil
    let reserved: Set<String> = ["ignore", "null", "on", "off", "yes", "no", "true", "false", "y", "n"]
    return isPlain && !reserved.contains(name.lowercased()) ? name : "\(label)"
  }
}
