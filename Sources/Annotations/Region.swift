import Files

/// The pixels of an object.
package enum Region {
  /// Each polygon is x, y, x, y, … in pixels, the first pixel reaching from 0 to 1. What any of them covers belongs to the object.
  case polygons([[Double]])
  /// Lengths of runs of pixels outside and inside, in turn, down the columns of an image of this size.
  case runs([Int], height: Int, width: Int)
  /// Inside or outside, row by row, in a box whose first pixel is at `left` and `top`.
  case box([Bool], left: Int, top: Int, width: Int)
  /// Pixels whose centres lie in an ellipse, turned clockwise by the angle that has this cosine and sine.
  case ellipse(x: Double, y: Double, radiusX: Double, radiusY: Double, angle: (cosine: Double, sine: Double))

  /// Whether each pixel belongs to the object, row-major.
  func mask(height: Int, width: Int, place: String) throws -> [Bool] {
    switch self {
    case .polygons(let polygons):
      var mask = [Bool](repeating: false, count: height * width)
      for polygon in polygons { try PolygonRaster.add(polygon, to: &mask, height: height, width: width, place: place) }
      return mask
    case .runs(let counts, let h, let w):
      guard h == height, w == width else {
        throw FileError(
          description:
            "\(place): a mask of \(w)×\(h) pixels belongs to an image of \(width)×\(height); correct its size")
      }
      return try Self.columns(counts, height: height, width: width, place)
    case .box(let inside, let left, let top, let boxWidth):
      var mask = [Bool](repeating: false, count: height * width)
      for (index, isIn) in inside.enumerated() where isIn {
        let (x, y) = (left + index % boxWidth, top + index / boxWidth)
        if (0..<width).contains(x), (0..<height).contains(y) { mask[y * width + x] = true }
      }
      return mask
    case .ellipse(let x, let y, let radiusX, let radiusY, let angle):
      var mask = [Bool](repeating: false, count: height * width)
      for row in 0..<height {
        for column in 0..<width {
          let (dx, dy) = (Double(column) + 0.5 - x, Double(row) + 0.5 - y)
          let along = (dx * angle.cosine + dy * angle.sine) / radiusX
          let across = (dy * angle.cosine - dx * angle.sine) / radiusY
          mask[row * width + column] = along * along + across * across <= 1
        }
      }
      return mask
    }
  }

  private static func columns(_ counts: [Int], height: Int, width: Int, _ place: String) throws -> [Bool] {
    var mask = [Bool](repeating: false, count: height * width)
    var at = 0
    for (index, count) in counts.enumerated() {
      guard count >= 0, count <= height * width - at else {
        throw FileError(description: "\(place): a mask's runs are longer than its image; export it again")
      }
      if index % 2 == 1 {
        for pixel in at..<at + count { mask[pixel % height * width + pixel / height] = true }
      }
      at += count
    }
    guard at == height * width else {
      throw FileError(
        description: "\(place): a mask's runs have \(at) pixels, and its image \(height * width); export it again")
    }
    return mask
  }

  /// The runs of COCO's compressed texts: numbers in pieces of five bits, lowest first, each a character from `0` on; from the third
  /// run on, differences to the run before the last.
  ///
  /// - Returns: nil for a text that is none.
  package static func runs(compressed text: String) -> [Int]? {
    var counts: [Int] = []
    var value = 0, shift = 0
    for character in text.utf8 {
      guard (48..<112).contains(character), shift < 50 else { return nil }
      let piece = Int(character) - 48
      value |= (piece & 0x1F) << shift
      shift += 5
      if piece & 0x20 != 0 { continue }
      if piece & 0x10 != 0 { value |= -1 << shift }
      let (sum, overflow) = value.addingReportingOverflow(counts.count > 2 ? counts[counts.count - 2] : 0)
      guard !overflow else { return nil }
      counts.append(sum)
      (value, shift) = (0, 0)
    }
    return shift == 0 ? counts : nil
  }
}
