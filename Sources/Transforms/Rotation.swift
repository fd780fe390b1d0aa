import Foundation

/// As ``View``, for an image that is also rotated about its centre, or deformed.
struct RotatedView: PixelSource {
  private let placement: Placement
  private let cosine: Double
  private let sine: Double
  /// How far down and right of each pixel of the example its place is; nil for none.
  private let shifts: [SIMD2<Double>]?

  /// - Parameters:
  ///   - degrees: counter-clockwise as one sees the image; it turns before it is mirrored.
  ///   - shifts: of the example's pixels, height × width: down and right.
  init(_ placement: Placement, degrees: Double, shifts: [SIMD2<Double>]? = nil) {
    self.placement = placement
    self.shifts = shifts
    cosine = cos(degrees * .pi / 180)
    sine = sin(degrees * .pi / 180)
  }

  /// Calls `body` with each pixel of the example that shows the image, and where in the image as stored its centre
  /// lies: in pixels from the top left corner, within the borders.
  private func forEachPixel(_ body: (_ at: Int, _ y: Double, _ x: Double) -> Void) {
    let height = Double(placement.scaled.height), width = Double(placement.scaled.width)
    let vertical = Double(placement.source.height) / height, horizontal = Double(placement.source.width) / width
    for y in 0..<min(placement.height, placement.scaled.height - placement.top) {
      let straightDown = Double(placement.top + y) + 0.5 - height / 2
      for x in 0..<min(placement.width, placement.scaled.width - placement.left) {
        let shift = shifts?[y * placement.width + x]
        let down = shift.map { straightDown + $0[0] } ?? straightDown
        let straightRight = Double(placement.left + x) + 0.5 - width / 2
        let right = shift.map { straightRight + $0[1] } ?? straightRight
        let across = placement.mirrored ? -right : right
        let sourceX = across * cosine - down * sine + width / 2
        let sourceY = across * sine + down * cosine + height / 2
        guard sourceX >= 0, sourceX < width, sourceY >= 0, sourceY < height else { continue }
        body(y * placement.width + x, sourceY * vertical, sourceX * horizontal)
      }
    }
  }

  var sourceRows: Range<Int> {
    var first = placement.source.height - 1, last = 0
    forEachPixel { _, y, _ in
      let (top, bottom, _) = Self.neighbours(y, placement.source.height)
      first = min(first, top)
      last = max(last, bottom)
    }
    return first..<max(first, last) + 1
  }

  func pixels<Value: PixelValue>(
    _ values: [Value], _ image: Raster, _ firstRow: Int, _ normalization: Normalization
  ) -> [Float] {
    precondition(normalization.channels == image.channels)
    let channels = image.channels, scale = ValueScale(normalization, image.type)
    var out = [Float](repeating: 0, count: placement.height * placement.width * channels)
    out.withUnsafeMutableBufferPointer { out in
      values.withUnsafeBufferPointer { source in
        forEachPixel { at, y, x in
          let (top, bottom, down) = Self.neighbours(y, placement.source.height)
          let (left, right, across) = Self.neighbours(x, image.width)
          for channel in 0..<channels {
            func value(_ row: Int, _ column: Int) -> Float {
              scale.apply(source[((row - firstRow) * image.width + column) * channels + channel].number)
            }
            let above = value(top, left) + (value(top, right) - value(top, left)) * across
            let below = value(bottom, left) + (value(bottom, right) - value(bottom, left)) * across
            out[at * channels + channel] =
              (above + (below - above) * down - normalization.mean[channel]) / normalization.std[channel]
          }
        }
      }
    }
    return out
  }

  /// height × width.
  func labels(_ labels: LabelMap?) -> [UInt8] {
    var out = [UInt8](repeating: LabelMap.ignore, count: placement.height * placement.width)
    out.withUnsafeMutableBufferPointer { out in
      forEachPixel { at, y, x in
        guard let labels else { return out[at] = 0 }
        out[at] = labels.values[min(Int(y), labels.height - 1) * labels.width + min(Int(x), labels.width - 1)]
      }
    }
    return out
  }

  /// The pixels before and after a position, and how far it lies from the first to the second.
  private static func neighbours(_ position: Double, _ count: Int) -> (Int, Int, Float) {
    let centered = min(max(position - 0.5, 0), Double(count - 1))
    let low = Int(centered)
    return (low, min(low + 1, count - 1), Float(centered - Double(low)))
  }
}
