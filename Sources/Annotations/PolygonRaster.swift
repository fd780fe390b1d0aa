import Files

/// Which pixels a polygon covers, exactly as COCO's program has it: its outline is drawn on a grid five times as fine, and a pixel
/// belongs to the polygon where an odd number of outlines cross its column above it.
enum PolygonRaster {
  private static let scale = 5.0
  /// Places far outside an image are no annotation.
  private static let farthest = 1e6

  /// - Parameter polygon: x, y, x, y, …; at least three points.
  static func add(_ polygon: [Double], to mask: inout [Bool], height: Int, width: Int, place: String) throws {
    guard polygon.count >= 6, polygon.count % 2 == 0 else {
      throw FileError(
        description: "\(place): a polygon of \(polygon.count) numbers; at least three points of two numbers are needed")
    }
    guard polygon.allSatisfy({ abs($0) <= farthest }) else {
      throw FileError(description: "\(place): a polygon has a point that is far outside of any image; correct it")
    }
    let points = stride(from: 0, to: polygon.count, by: 2).map {
      (x: Int(scale * polygon[$0] + 0.5), y: Int(scale * polygon[$0 + 1] + 0.5))
    }
    // How often the outline crosses each column, just above which row.
    var crossings = [Bool](repeating: false, count: (height + 1) * width)
    var last: (x: Int, y: Int)?
    for (index, start) in points.enumerated() {
      line(from: start, to: points[(index + 1) % points.count]) { point in
        if let last, point.x != last.x { cross(last, point, &crossings, height: height, width: width) }
        last = point
      }
    }
    for column in 0..<width {
      var isInside = false
      for row in 0..<height {
        if crossings[row * width + column] { isInside.toggle() }
        if isInside { mask[row * width + column] = true }
      }
    }
  }

  /// The points of the fine grid from one corner to the next, both included.
  private static func line(from a: (x: Int, y: Int), to b: (x: Int, y: Int), _ body: ((x: Int, y: Int)) -> Void) {
    let (dx, dy) = (abs(b.x - a.x), abs(b.y - a.y))
    let isWide = dx >= dy
    // The slope is that of the line from its lesser end, so that a line has the same points in both directions.
    let isFlipped = isWide ? a.x > b.x : a.y > b.y
    let (start, end) = isFlipped ? (b, a) : (a, b)
    let length = isWide ? dx : dy
    let slope = length == 0 ? 0 : Double(isWide ? end.y - start.y : end.x - start.x) / Double(length)
    for d in 0...length {
      let t = isFlipped ? length - d : d
      body(
        isWide
          ? (t + start.x, Int(Double(start.y) + slope * Double(t) + 0.5))
          : (Int(Double(start.x) + slope * Double(t) + 0.5), t + start.y))
    }
  }

  /// A step from one column of the fine grid to the next, where that is the middle of a pixel's column.
  private static func cross(
    _ a: (x: Int, y: Int), _ b: (x: Int, y: Int), _ crossings: inout [Bool], height: Int, width: Int
  ) {
    let x = (Double(b.x < a.x ? b.x : b.x - 1) + 0.5) / scale - 0.5
    guard x == x.rounded(.down), x >= 0, x <= Double(width - 1) else { return }
    let y = (Double(min(a.y, b.y)) + 0.5) / scale - 0.5
    let row = Int(min(max(y, 0), Double(height)).rounded(.up))
    crossings[row * width + Int(x)].toggle()
  }
}
