/// The source pixels of an example's pixels along one axis.
struct Axis {
  /// Pixels of the example.
  let length: Int
  /// The first `covered` of them come from the image, the others are padding.
  let covered: Int
  /// Whether every covered pixel is one source pixel as it is.
  let exact: Bool
  /// Per covered pixel: the two source pixels between which it lies, and how far it lies from the first to the second.
  let low: [Int]
  let high: [Int]
  let fraction: [Float]
  /// Per covered pixel: the source pixel whose area its centre falls in.
  let nearest: [Int]

  /// - Parameters:
  ///   - source: pixels of the image as stored.
  ///   - scaled: pixels of the image after scaling.
  ///   - start: first pixel of the window in the scaled (and mirrored) image.
  init(source: Int, scaled: Int, start: Int, length: Int, mirrored: Bool) {
    self.length = length
    covered = min(length, scaled - start)
    exact = source == scaled
    let ratio = Double(source) / Double(scaled)
    var low: [Int] = [], high: [Int] = [], fraction: [Float] = [], nearest: [Int] = []
    for index in start..<start + covered {
      let center = (Double(mirrored ? scaled - 1 - index : index) + 0.5) * ratio
      let position = min(max(center - 0.5, 0), Double(source - 1))
      low.append(Int(position))
      high.append(min(Int(position) + 1, source - 1))
      fraction.append(Float(position - Double(Int(position))))
      nearest.append(min(Int(center), source - 1))
    }
    (self.low, self.high, self.fraction, self.nearest) = (low, high, fraction, nearest)
  }
}

/// The window of the scaled, mirrored image that becomes an example; only its pixels are ever computed.
struct View {
  let rows: Axis
  let columns: Axis

  init(rows: Axis, columns: Axis) {
    self.rows = rows
    self.columns = columns
  }

  init(_ placement: Placement) {
    rows = Axis(
      source: placement.source.height, scaled: placement.scaled.height, start: placement.top, length: placement.height,
      mirrored: false)
    columns = Axis(
      source: placement.source.width, scaled: placement.scaled.width, start: placement.left, length: placement.width,
      mirrored: placement.mirrored)
  }

  /// rows.length × columns.length × 3, normalised, padding 0.
  func pixels(_ image: RGBImage, _ normalization: Normalization) -> [Float] {
    let count = rows.length * columns.length * 3
    return [Float](unsafeUninitializedCapacity: count) { out, initialized in
      let out = out.baseAddress!
      if rows.covered < rows.length || columns.covered < columns.length {
        out.update(repeating: 0, count: count)
      }
      image.pixels.withUnsafeBufferPointer { pixels in
        let source = pixels.baseAddress!
        if rows.exact && columns.exact {
          copy(source, image.width, normalization, out)
        } else {
          interpolate(source, image.width, normalization, out)
        }
      }
      initialized = count
    }
  }

  /// rows.length × columns.length.
  func labels(_ labels: LabelMap?) -> [UInt8] {
    var out = [UInt8](repeating: LabelMap.ignore, count: rows.length * columns.length)
    out.withUnsafeMutableBufferPointer { out in
      for y in 0..<rows.covered {
        let row = out.baseAddress! + y * columns.length
        if let labels {
          labels.values.withUnsafeBufferPointer { values in
            let source = values.baseAddress! + rows.nearest[y] * labels.width
            for x in 0..<columns.covered { row[x] = source[columns.nearest[x]] }
          }
        } else {
          row.update(repeating: 0, count: columns.covered)
        }
      }
    }
    return out
  }

  /// Pixels as stored: normalisation is a table of 256 entries a channel.
  private func copy(
    _ source: UnsafePointer<UInt8>, _ width: Int, _ normalization: Normalization, _ out: UnsafeMutablePointer<Float>
  ) {
    let table = (0..<3).flatMap { channel in
      (0..<256).map { (Float($0) - normalization.mean[channel]) / normalization.std[channel] }
    }
    table.withUnsafeBufferPointer { table in
      let red = table.baseAddress!, green = red + 256, blue = red + 512
      for y in 0..<rows.covered {
        let from = source + rows.nearest[y] * width * 3
        let to = out + y * columns.length * 3
        for x in 0..<columns.covered {
          let pixel = from + columns.nearest[x] * 3
          to[3 * x] = red[Int(pixel[0])]
          to[3 * x + 1] = green[Int(pixel[1])]
          to[3 * x + 2] = blue[Int(pixel[2])]
        }
      }
    }
  }

  private func interpolate(
    _ source: UnsafePointer<UInt8>, _ width: Int, _ normalization: Normalization, _ out: UnsafeMutablePointer<Float>
  ) {
    let mean = (normalization.mean[0], normalization.mean[1], normalization.mean[2])
    let std = (normalization.std[0], normalization.std[1], normalization.std[2])
    columns.low.withUnsafeBufferPointer { low in
      columns.high.withUnsafeBufferPointer { high in
        columns.fraction.withUnsafeBufferPointer { fraction in
          for y in 0..<rows.covered {
            let above = source + rows.low[y] * width * 3
            let below = source + rows.high[y] * width * 3
            let down = rows.fraction[y]
            let to = out + y * columns.length * 3
            for x in 0..<columns.covered {
              let l = low[x] * 3, h = high[x] * 3, across = fraction[x]
              @inline(__always) func value(_ channel: Int) -> Float {
                let a = Float(above[l + channel]), b = Float(above[h + channel])
                let c = Float(below[l + channel]), d = Float(below[h + channel])
                let top = a + (b - a) * across, bottom = c + (d - c) * across
                return top + (bottom - top) * down
              }
              to[3 * x] = (value(0) - mean.0) / std.0
              to[3 * x + 1] = (value(1) - mean.1) / std.1
              to[3 * x + 2] = (value(2) - mean.2) / std.2
            }
          }
        }
      }
    }
  }
}

extension Normalization {
  /// The whole image as the network's input, height × width × 3.
  public func pixels(of image: RGBImage) -> [Float] { pixels(of: image, rows: 0..<image.height) }

  /// Some rows of it, rows × width × 3.
  public func pixels(of image: RGBImage, rows: Range<Int>) -> [Float] {
    func axis(_ length: Int, _ part: Range<Int>) -> Axis {
      Axis(source: length, scaled: length, start: part.lowerBound, length: part.count, mirrored: false)
    }
    return View(rows: axis(image.height, rows), columns: axis(image.width, 0..<image.width)).pixels(image, self)
  }
}
