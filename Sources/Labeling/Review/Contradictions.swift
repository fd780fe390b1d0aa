import Transforms

/// A rectangle of pixels.
package struct PixelBox: Sendable, Equatable {
  package var left: Int
  package var top: Int
  package var right: Int
  package var bottom: Int

  package init(left: Int, top: Int, right: Int, bottom: Int) {
    (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
  }

  package var width: Int { right - left + 1 }
  package var height: Int { bottom - top + 1 }
}

/// Where a mask and what the network sees with confidence differ. Pixels near a boundary of the mask are left out:
/// masks are drawn by hand and networks blur, so that a difference there says little.
package struct Contradictions: Sendable, Equatable {
  /// Pixels of one class of the mask that are seen as another.
  package struct Pair: Sendable, Equatable {
    let label: Int
    let seen: Int
    var count: Int
    /// Encloses the largest connected area.
    var box: PixelBox
  }

  package var pairs: [Pair] = []
  /// Inner pixels of each class of the mask.
  var inner: [Int]
  /// Pixels that have a label.
  var labeled = 0

  /// - Parameter margin: pixels nearer to a boundary are left out.
  package init(_ labels: LabelMap, seen: [UInt8], classes: Int, margin: Int) {
    inner = [Int](repeating: 0, count: classes)
    let isInner = Self.inner(labels, margin: margin)
    var isOpen = [Bool](repeating: false, count: seen.count)
    for p in seen.indices {
      let label = labels.values[p]
      guard label != LabelMap.ignore else { continue }
      labeled += 1
      guard isInner[p] else { continue }
      inner[Int(label)] += 1
      isOpen[p] = seen[p] != LabelMap.ignore && seen[p] != label
    }
    collect(labels, seen, &isOpen)
  }

  /// The margin for images of a size: about as far as a network of stride 4 to 8 blurs.
  package static func margin(height: Int, width: Int) -> Int { min(8, max(2, max(height, width) / 60)) }

  /// Whether each pixel is at least `margin` rows and columns, added up, away from every boundary.
  package static func inner(_ labels: LabelMap, margin: Int) -> [Bool] {
    let (height, width) = (labels.height, labels.width)
    var distance = [Int](repeating: margin, count: height * width)
    for y in 0..<height {
      for x in 0..<width {
        let at = y * width + x
        if x + 1 < width, labels.values[at] != labels.values[at + 1] { (distance[at], distance[at + 1]) = (0, 0) }
        if y + 1 < height, labels.values[at] != labels.values[at + width] {
          (distance[at], distance[at + width]) = (0, 0)
        }
      }
    }
    for at in distance.indices {
      if at % width > 0 { distance[at] = min(distance[at], distance[at - 1] + 1) }
      if at >= width { distance[at] = min(distance[at], distance[at - width] + 1) }
    }
    for at in distance.indices.reversed() {
      if at % width + 1 < width { distance[at] = min(distance[at], distance[at + 1] + 1) }
      if at + width < distance.count { distance[at] = min(distance[at], distance[at + width] + 1) }
    }
    return distance.map { $0 >= margin }
  }

  /// Goes over all connected areas of one pair of classes.
  private mutating func collect(_ labels: LabelMap, _ seen: [UInt8], _ isOpen: inout [Bool]) {
    let (height, width) = (labels.height, labels.width)
    var places: [Int: Int] = [:]
    var largest: [Int] = []
    var stack: [Int] = []
    for start in isOpen.indices where isOpen[start] {
      let (label, other) = (labels.values[start], seen[start])
      var count = 0
      var box = PixelBox(left: width, top: height, right: 0, bottom: 0)
      isOpen[start] = false
      stack = [start]
      while let at = stack.popLast() {
        let (x, y) = (at % width, at / width)
        count += 1
        box = PixelBox(
          left: min(box.left, x), top: min(box.top, y), right: max(box.right, x), bottom: max(box.bottom, y))
        func visit(_ next: Int) {
          guard isOpen[next], labels.values[next] == label, seen[next] == other else { return }
          isOpen[next] = false
          stack.append(next)
        }
        if x > 0 { visit(at - 1) }
        if x + 1 < width { visit(at + 1) }
        if y > 0 { visit(at - width) }
        if y + 1 < height { visit(at + width) }
      }
      let key = Int(label) << 8 | Int(other)
      if let place = places[key] {
        pairs[place].count += count
        if count > largest[place] { (largest[place], pairs[place].box) = (count, box) }
      } else {
        places[key] = pairs.count
        pairs.append(Pair(label: Int(label), seen: Int(other), count: count, box: box))
        largest.append(count)
      }
    }
  }
}
