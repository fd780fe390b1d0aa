import Configuration
import Network
import Transforms

/// Of the images that a rank evaluates, those on which the network is wrong most, with the logits of that pass.
package final class WorstImages {
  package struct Entry {
    package let image: Int
    /// Pixels that are given another class than the mask has, of those that have one.
    let errors: Int64
    let labeled: Int64
    /// nil where the image was evaluated in several passes, or on another rank.
    let logits: Tensor?

    package init(image: Int, errors: Int64, labeled: Int64, logits: Tensor?) {
      (self.image, self.errors, self.labeled, self.logits) = (image, errors, labeled, logits)
    }

    /// Worse first: the greater share of errors, then the lower number.
    package static func isWorse(_ a: Entry, _ b: Entry) -> Bool {
      let left = a.errors.multipliedFullWidth(by: b.labeled), right = b.errors.multipliedFullWidth(by: a.labeled)
      if left.high != right.high { return left.high > right.high }
      if left.low != right.low { return left.low > right.low }
      return a.image < b.image
    }
  }

  let count: Int
  private(set) var entries: [Entry] = []
  /// The size of the largest image that this rank has evaluated, of equal ones the tallest; 1 × 1 for none.
  private(set) var largest = Configuration.Size(height: 1, width: 1)

  /// - Parameter count: how many are kept.
  init(count: Int) { self.count = count }

  func offer(_ matrix: ConfusionMatrix, image: Int, size: Raster, logits: Tensor?) {
    if (size.height * size.width, size.height) > (largest.height * largest.width, largest.height) {
      largest = Configuration.Size(height: size.height, width: size.width)
    }
    let labeled = matrix.counts.reduce(0, +)
    guard labeled > 0 else { return }
    let hits = (0..<matrix.classes).reduce(Int64(0)) { $0 + matrix.counts[$1 * matrix.classes + $1] }
    let entry = Entry(image: image, errors: labeled - hits, labeled: labeled, logits: logits)
    let place = entries.firstIndex { Entry.isWorse(entry, $0) } ?? entries.count
    guard place < count else { return }
    entries.insert(entry, at: place)
    if entries.count > count { entries.removeLast() }
  }
}
