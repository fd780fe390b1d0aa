import Compute
import Configuration
import Method
import Network
import Transforms

/// The logits of one view of an image in windows, from its first row to its last.
///
/// Windows lie every ⌈2/3⌉ of their size, the last flush with the border; logits are averaged where windows overlap. A
/// view smaller than the window lies in its middle, the mean colour around it. Windows are taken row by row, so that
/// only rows that a window may still add to, and those of the next band, are held: memory grows with the image's width,
/// not its height.
final class SlidingView {
  private let image: Raster
  private let mirrored: Bool
  private let window: Configuration.Size
  private let classes: Int
  private let normalization: Normalization
  private let height: Int
  private let width: Int
  /// From rows and columns of the image to those of the view, and back.
  private let viewRows: BilinearAxis
  private let viewColumns: BilinearAxis
  private let imageRows: BilinearAxis
  private let imageColumns: BilinearAxis
  private let tops: [Int]
  private let lefts: [Int]
  /// How many rows of windows cover each row, and how many columns of windows each column.
  private let rowCover: [Float]
  private let columnCover: [Float]
  /// Rows that are held at a time; row y lies at y mod capacity.
  private let capacity: Int
  /// Classes × capacity × width.
  private var held: [Float]
  /// Rows of windows that have been added.
  private var added = 0
  /// Rows before it have a place in ``held``, or had one.
  private var entered = 0
  /// Rows before it are averages, to which nothing is added any more.
  private var complete = 0

  /// - Parameter normalization: the image's own, ``Normalization/of(_:)``.
  init(
    of image: Raster, scale: Double, mirrored: Bool, window: Configuration.Size, classes: Int,
    _ normalization: Normalization
  ) {
    (self.image, self.mirrored, self.window) = (image, mirrored, window)
    (self.classes, self.normalization) = (classes, normalization)
    height = Inference.scaled(image.height, scale)
    width = Inference.scaled(image.width, scale)
    viewRows = BilinearAxis(source: image.height, target: height)
    viewColumns = BilinearAxis(source: image.width, target: width)
    imageRows = BilinearAxis(source: height, target: image.height)
    imageColumns = BilinearAxis(source: width, target: image.width)
    tops = Self.starts(height, window.height)
    lefts = Self.starts(width, window.width)
    rowCover = Self.cover(tops, window.height, height)
    columnCover = Self.cover(lefts, window.width, width)
    capacity = Self.capacity(height: height, scale: scale, window: window)
    held = [Float](repeating: 0, count: classes * capacity * width)
  }

  /// A window's rows, and those of a band.
  private static func capacity(height: Int, scale: Double, window: Configuration.Size) -> Int {
    min(height, window.height + Int(Double(Inference.bandHeight) * scale) + 4)
  }

  /// Bytes that a view takes, but for what the network takes for a window.
  static func bytes(height: Int, width: Int, scale: Double, window: Configuration.Size, classes: Int) -> Int {
    let (rows, columns) = (Inference.scaled(height, scale), Inference.scaled(width, scale))
    let logits = 4 * classes * capacity(height: rows, scale: scale, window: window) * columns
    // The pixels of a row of windows as numbers: of the image, twice while they are made, and of the view.
    let lines = min(rows, window.height)
    let source = min(height, Int(Double(lines) / scale) + 2)
    return logits + 12 * (2 * source * width + (scale == 1 ? 0 : lines * columns))
  }

  /// Where windows begin along one side.
  private static func starts(_ size: Int, _ window: Int) -> [Int] {
    guard size > window else { return [0] }
    let step = (2 * window + 2) / 3
    let count = (size - window + step - 1) / step + 1
    return (0..<count).map { min($0 * step, size - window) }
  }

  private static func cover(_ starts: [Int], _ window: Int, _ size: Int) -> [Float] {
    var cover = [Float](repeating: 0, count: size)
    for start in starts { for at in start..<min(start + window, size) { cover[at] += 1 } }
    return cover
  }

  /// Adds windows until the logits that these rows of the image lie between are averages. Rows are asked for in their
  /// order.
  func advance(to rows: Range<Int>, _ forward: (Tensor) throws -> Tensor) throws {
    let last = imageRows.upper[rows.upperBound - 1]
    while complete <= last {
      try addWindows(top: tops[added], forward)
      added += 1
      let next = added < tops.count ? tops[added] : height
      average(complete..<next)
      complete = next
    }
  }

  private func addWindows(top: Int, _ forward: (Tensor) throws -> Tensor) throws {
    let rows = min(window.height, height), columns = min(window.width, width)
    let below = (window.height - rows) / 2, right = (window.width - columns) / 2
    clear(max(entered, top)..<top + rows)
    entered = top + rows
    let lines = pixels(top..<top + rows), channels = image.channels
    for left in lefts {
      let piece = Tensor(count: 1, height: window.height, width: window.width, channels: channels)
      piece.fill(0)
      for y in 0..<rows {
        (piece.data + ((below + y) * window.width + right) * channels)
          .update(from: lines.data + (y * width + left) * channels, count: columns * channels)
      }
      let logits = try forward(piece)
      let large = UpsampledPixels(logits: logits, height: window.height, width: window.width)
        .upsampled(logits, sample: 0)
      large.withUnsafeBufferPointer { large in
        let large = large.baseAddress!
        Inference.forEachPlane(&held, capacity * width) { c, held in
          for y in 0..<rows {
            let from = large + (c * window.height + below + y) * window.width + right
            let to = held + (top + y) % capacity * width + left
            for x in 0..<columns { to[x] += from[x] }
          }
        }
      }
    }
  }

  /// Rows of the view as the network's input.
  private func pixels(_ rows: Range<Int>) -> Tensor {
    let source = viewRows.lower[rows.lowerBound]..<viewRows.upper[rows.upperBound - 1] + 1
    let pixels = normalization.pixels(of: image, rows: source)
    var lines = Tensor(count: 1, height: source.count, width: image.width, channels: image.channels)
    lines.data.update(from: pixels, count: pixels.count)
    if (height, width) != (image.height, image.width) {
      lines = resizeBilinear(lines, firstRow: source.lowerBound, rows: viewRows, columns: viewColumns, part: rows)
    }
    return mirrored ? Inference.mirrored(lines) : lines
  }

  private func clear(_ rows: Range<Int>) {
    Inference.forEachPlane(&held, capacity * width) { _, held in
      for y in rows { (held + y % capacity * width).update(repeating: 0, count: width) }
    }
  }

  private func average(_ rows: Range<Int>) {
    Inference.forEachPlane(&held, capacity * width) { _, held in
      for y in rows {
        let row = held + y % capacity * width
        for x in 0..<width { row[x] /= rowCover[y] * columnCover[x] }
      }
    }
  }

  /// Adds the logits at these rows of the image, classes × rows × the image's width, brought back to the image's size
  /// and orientation.
  func add(_ rows: Range<Int>, to sum: inout [Float]) {
    let isSame = (height, width) == (image.height, image.width)
    let columns = (0..<image.width).map { x in
      let (a, b) = (imageColumns.lower[x], imageColumns.upper[x])
      return mirrored ? (width - 1 - a, width - 1 - b) : (a, b)
    }
    held.withUnsafeBufferPointer { held in
      let held = held.baseAddress!
      Inference.forEachPlane(&sum, rows.count * image.width) { c, sum in
        let plane = held + c * capacity * width
        for (line, y) in rows.enumerated() {
          let top = plane + imageRows.lower[y] % capacity * width,
            bottom = plane + imageRows.upper[y] % capacity * width
          let to = sum + line * image.width
          if isSame {
            for x in 0..<width { to[x] += top[columns[x].0] }
            continue
          }
          let f = imageRows.fraction[y]
          for x in 0..<image.width {
            let (left, right) = columns[x], across = imageColumns.fraction[x]
            let a = top[left] * (1 - f) + bottom[left] * f, b = top[right] * (1 - f) + bottom[right] * f
            to[x] += a * (1 - across) + b * across
          }
        }
      }
    }
  }
}
