import Foundation

/// How alike two images are: by their representations, and by their thumbnails.
package enum Likeness {
  /// Root mean square difference of thumbnails, of the range of the values, up to which two images are near-duplicates.
  static let sameLook = 0.03
  /// The same for images whose representations agree too.
  static let similarLook = 0.1
  /// Representations agree if they are at most this part of the median distance apart.
  static let sameRepresentation = 0.1

  /// Of two representations.
  package static func distance(_ a: ImageSummary, _ b: ImageSummary) -> Double {
    var sum = 0.0
    for (x, y) in zip(a.representation, b.representation) { sum += Double(x - y) * Double(x - y) }
    return sum.squareRoot()
  }

  /// Root mean square difference of the thumbnails: to the other or to its mirror image, whichever is less, because
  /// training mirrors images.
  package static func look(_ a: ImageSummary, _ b: ImageSummary) -> Double {
    let cells = ImageSummary.cells
    var straight = 0.0, mirrored = 0.0
    for row in 0..<cells {
      for column in 0..<cells {
        for channel in 0..<3 {
          let x = Double(a.thumbnail[(row * cells + column) * 3 + channel])
          let y = Double(b.thumbnail[(row * cells + column) * 3 + channel])
          let z = Double(b.thumbnail[(row * cells + cells - 1 - column) * 3 + channel])
          straight += (x - y) * (x - y)
          mirrored += (x - z) * (x - z)
        }
      }
    }
    return (min(straight, mirrored) / Double(cells * cells * 3)).squareRoot()
  }

  /// Whether labeling both would be labeling one twice.
  ///
  /// - Parameter typical: the median distance of two images.
  package static func areNearDuplicates(_ a: ImageSummary, _ b: ImageSummary, typical: Double) -> Bool {
    let look = look(a, b)
    return look <= sameLook || look <= similarLook && distance(a, b) <= sameRepresentation * typical
  }

  /// The median distance between images, over at most some thousand pairs that are spread over the list.
  package static func typicalDistance(_ images: [ImageSummary]) -> Double {
    guard images.count > 1 else { return 0 }
    var distances: [Double] = []
    let step = max(1, images.count / 64)
    for i in stride(from: 0, to: images.count, by: step) {
      for j in stride(from: i + step, to: images.count, by: step) { distances.append(distance(images[i], images[j])) }
    }
    if distances.isEmpty { distances = [distance(images[0], images[images.count - 1])] }
    return distances.sorted()[distances.count / 2]
  }
}
