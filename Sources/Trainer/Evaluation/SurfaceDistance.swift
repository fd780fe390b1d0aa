import Foundation

/// The 95 % Hausdorff distance of two masks, as medpy's `hd95` defines it.
///
/// The surface of a mask are its voxels of which a neighbour along an axis is none, or lies outside the array. Distances are those
/// of each surface voxel of one mask to the nearest surface voxel of the other, both ways; of all of them together the 95th
/// percentile is taken, with NumPy's linear interpolation. In an array of one slice, neighbours are those of the plane.
public struct SurfaceDistance {
  /// Slices, rows and columns.
  public let shape: (slices: Int, rows: Int, columns: Int)
  /// From one voxel to the next, along each.
  public let spacing: (slice: Double, row: Double, column: Double)

  public init(
    shape: (slices: Int, rows: Int, columns: Int), spacing: (slice: Double, row: Double, column: Double) = (1, 1, 1)
  ) {
    (self.shape, self.spacing) = (shape, spacing)
  }

  /// - Parameters:
  ///   - a: slices × rows × columns; whether a voxel is in the first mask.
  ///   - b: the same of the second.
  /// - Returns: in the unit of the spacing; nil where either mask is empty.
  public func hausdorff95(_ a: [Bool], _ b: [Bool]) -> Double? {
    precondition(a.count == shape.slices * shape.rows * shape.columns && b.count == a.count)
    let (first, second) = (surface(a), surface(b))
    guard !first.isEmpty, !second.isEmpty else { return nil }
    let box = Box(first + second, shape)
    var distances = box.distances(from: first, to: second, spacing) + box.distances(from: second, to: first, spacing)
    distances.sort()
    let place = 0.95 * Double(distances.count - 1)
    let below = Int(place), above = min(below + 1, distances.count - 1)
    return distances[below] + (distances[above] - distances[below]) * (place - Double(below))
  }

  /// The indices of surface voxels.
  private func surface(_ mask: [Bool]) -> [Int] {
    let (slices, rows, columns) = shape
    let plane = rows * columns
    var found: [Int] = []
    for z in 0..<slices {
      for y in 0..<rows {
        for x in 0..<columns {
          let at = (z * rows + y) * columns + x
          guard mask[at] else { continue }
          let isInside =
            x > 0 && mask[at - 1] && x + 1 < columns && mask[at + 1] && y > 0 && mask[at - columns] && y + 1 < rows
            && mask[at + columns]
            && (slices == 1 || z > 0 && mask[at - plane] && z + 1 < slices && mask[at + plane])
          if !isInside { found.append(at) }
        }
      }
    }
    return found
  }
}

/// The smallest part of an array that holds the surfaces of both masks: what lies outside is never the nearest.
private struct Box {
  private let shape: (slices: Int, rows: Int, columns: Int)
  private let low: (Int, Int, Int)
  private let extent: (Int, Int, Int)

  init(_ voxels: [Int], _ shape: (slices: Int, rows: Int, columns: Int)) {
    self.shape = shape
    var low = (Int.max, Int.max, Int.max), high = (0, 0, 0)
    for voxel in voxels {
      let (z, y, x) = (
        voxel / (shape.rows * shape.columns), voxel / shape.columns % shape.rows, voxel % shape.columns
      )
      low = (min(low.0, z), min(low.1, y), min(low.2, x))
      high = (max(high.0, z), max(high.1, y), max(high.2, x))
    }
    self.low = low
    extent = (high.0 - low.0 + 1, high.1 - low.1 + 1, high.2 - low.2 + 1)
  }

  /// The place in the box of a voxel of the array.
  private func index(_ voxel: Int) -> Int {
    let (z, y, x) = (voxel / (shape.rows * shape.columns), voxel / shape.columns % shape.rows, voxel % shape.columns)
    return ((z - low.0) * extent.1 + y - low.1) * extent.2 + x - low.2
  }

  /// The distance of each voxel of `from` to the nearest of `to`.
  func distances(from: [Int], to: [Int], _ spacing: (slice: Double, row: Double, column: Double)) -> [Double] {
    var squares = [Double](repeating: .infinity, count: extent.0 * extent.1 * extent.2)
    for voxel in to { squares[index(voxel)] = 0 }
    let plane = extent.1 * extent.2
    squares.withUnsafeMutableBufferPointer { squares in
      var pass = LowerEnvelope(most: max(extent.0, extent.1, extent.2))
      for line in 0..<extent.0 * extent.1 { pass.apply(squares, line * extent.2, 1, extent.2, spacing.column) }
      for z in 0..<extent.0 {
        for x in 0..<extent.2 { pass.apply(squares, z * plane + x, extent.2, extent.1, spacing.row) }
      }
      guard extent.0 > 1 else { return }
      for pixel in 0..<plane { pass.apply(squares, pixel, plane, extent.0, spacing.slice) }
    }
    return from.map { squares[index($0)].squareRoot() }
  }
}

/// The exact squared distance transform along one axis (Felzenszwalb and Huttenlocher, *Distance Transforms of Sampled Functions*,
/// 2012): the lower envelope of a parabola at each place.
private struct LowerEnvelope {
  private var values: [Double]
  /// The places of the parabolas of the envelope, and from where on each is the lowest.
  private var places: [Int]
  private var starts: [Double]

  init(most: Int) {
    values = [Double](repeating: 0, count: most)
    places = [Int](repeating: 0, count: most)
    starts = [Double](repeating: 0, count: most)
  }

  /// Replaces `count` squares, `step` apart, by the least over q of square(q) + (spacing · (p − q))².
  mutating func apply(
    _ squares: UnsafeMutableBufferPointer<Double>, _ first: Int, _ step: Int, _ count: Int, _ spacing: Double
  ) {
    let unit = spacing * spacing
    var last = -1
    for q in 0..<count {
      let value = squares[first + q * step]
      values[q] = value
      guard value < .infinity else { continue }
      while last >= 0 {
        let p = places[last]
        // Where the parabolas of p and q meet.
        let meet = ((value - values[p]) / unit + Double(q * q - p * p)) / Double(2 * (q - p))
        if meet > starts[last] {
          last += 1
          starts[last] = meet
          break
        }
        last -= 1
      }
      if last < 0 {
        last = 0
        starts[0] = -.infinity
      }
      places[last] = q
    }
    guard last >= 0 else { return }
    var at = 0
    for p in 0..<count {
      while at < last && starts[at + 1] < Double(p) { at += 1 }
      let offset = Double(p - places[at])
      squares[first + p * step] = values[places[at]] + unit * offset * offset
    }
  }
}
