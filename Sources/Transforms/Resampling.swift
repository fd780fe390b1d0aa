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

/// Where in a stored image the pixels of an example come from.
protocol PixelSource {
  /// Rows of the image as stored whose pixels are looked at; at least one.
  var sourceRows: Range<Int> { get }

  /// ``pixels(_:firstRow:_:)`` of an image with these values.
  func pixels<Value: PixelValue>(
    _ values: [Value], _ image: Raster, _ firstRow: Int, _ normalization: Normalization
  ) -> [Float]
}

extension PixelSource {
  /// The example's pixels, height × width × channels, normalised, padding 0.
  ///
  /// - Parameter firstRow: of the image that `image` is a part of, as wide; it has to have ``sourceRows``.
  func pixels(_ image: Raster, firstRow: Int = 0, _ normalization: Normalization) -> [Float] {
    switch image.values {
    case .uint8(let values): pixels(values, image, firstRow, normalization)
    case .uint16(let values): pixels(values, image, firstRow, normalization)
    case .int16(let values): pixels(values, image, firstRow, normalization)
    case .float32(let values): pixels(values, image, firstRow, normalization)
    }
  }
}

/// The window of the scaled, mirrored image that becomes an example; only its pixels are ever computed.
struct View: PixelSource {
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

  var sourceRows: Range<Int> {
    let first = min(rows.low.min() ?? 0, rows.nearest.min() ?? 0)
    return first..<max(rows.high.max() ?? 0, rows.nearest.max() ?? 0, first) + 1
  }

  func pixels<Value: PixelValue>(
    _ values: [Value], _ image: Raster, _ firstRow: Int, _ normalization: Normalization
  ) -> [Float] {
    precondition(normalization.channels == image.channels)
    let count = rows.length * columns.length * image.channels
    return [Float](unsafeUninitializedCapacity: count) { out, initialized in
      let out = out.baseAddress!
      if rows.covered < rows.length || columns.covered < columns.length {
        out.update(repeating: 0, count: count)
      }
      let scale = ValueScale(normalization, image.type)
      values.withUnsafeBufferPointer { values in
        if rows.exact && columns.exact {
          copy(values.baseAddress!, image, firstRow, normalization, scale, out)
        } else {
          interpolate(values.baseAddress!, image, firstRow, normalization, scale, out)
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

  /// Pixels as stored. Of 8-bit ones normalisation is a table of 256 entries a channel.
  private func copy<Value: PixelValue>(
    _ source: UnsafePointer<Value>, _ image: Raster, _ firstRow: Int, _ normalization: Normalization,
    _ scale: ValueScale, _ out: UnsafeMutablePointer<Float>
  ) {
    let channels = image.channels
    func forEachPixel(_ body: (_ from: UnsafePointer<Value>, _ to: UnsafeMutablePointer<Float>) -> Void) {
      for y in 0..<rows.covered {
        let from = source + (rows.nearest[y] - firstRow) * image.width * channels
        let to = out + y * columns.length * channels
        for x in 0..<columns.covered { body(from + columns.nearest[x] * channels, to + x * channels) }
      }
    }
    normalization.withPointers { mean, std in
      guard Value.self == UInt8.self else {
        forEachPixel { from, to in
          for c in 0..<channels { to[c] = (scale.apply(from[c].number) - mean[c]) / std[c] }
        }
        return
      }
      let first = UnsafeRawPointer(source).assumingMemoryBound(to: UInt8.self)
      let table = (0..<channels).flatMap { c in
        (0..<256).map { (scale.apply(Float($0)) - mean[c]) / std[c] }
      }
      table.withUnsafeBufferPointer { table in
        forEachPixel { from, to in
          let pixel = first + (from - source)
          for c in 0..<channels { to[c] = table[c << 8 | Int(pixel[c])] }
        }
      }
    }
  }

  private func interpolate<Value: PixelValue>(
    _ source: UnsafePointer<Value>, _ image: Raster, _ firstRow: Int, _ normalization: Normalization,
    _ scale: ValueScale, _ out: UnsafeMutablePointer<Float>
  ) {
    let channels = image.channels, line = image.width * channels
    normalization.withPointers { mean, std in
      columns.low.withUnsafeBufferPointer { low in
        columns.high.withUnsafeBufferPointer { high in
          columns.fraction.withUnsafeBufferPointer { fraction in
            for y in 0..<rows.covered {
              let above = source + (rows.low[y] - firstRow) * line, below = source + (rows.high[y] - firstRow) * line
              let down = rows.fraction[y]
              let to = out + y * columns.length * channels
              for x in 0..<columns.covered {
                let l = low[x] * channels, h = high[x] * channels, across = fraction[x]
                for channel in 0..<channels {
                  let a = scale.apply(above[l + channel].number), b = scale.apply(above[h + channel].number)
                  let c = scale.apply(below[l + channel].number), d = scale.apply(below[h + channel].number)
                  let top = a + (b - a) * across, bottom = c + (d - c) * across
                  to[x * channels + channel] = (top + (bottom - top) * down - mean[channel]) / std[channel]
                }
              }
            }
          }
        }
      }
    }
  }
}

/// Brings stored values to 0–255.
struct ValueScale {
  private let low: Float
  private let factor: Float
  /// Whether 8-bit values stay as they are.
  private let isIdentity: Bool

  init(_ normalization: Normalization, _ type: PixelType) {
    let range = normalization.range ?? type.range
    (low, factor) = (range.low, 255 / (range.high - range.low))
    isIdentity = type == .uint8 && range.isOf8Bits || normalization.range == nil && normalization.isUnscaled
  }

  @inline(__always) func apply(_ value: Float) -> Float {
    isIdentity ? value : min(max((value - low) * factor, 0), 255)
  }
}

extension Normalization {
  /// Calls `body` with the first element of mean and deviation.
  func withPointers(_ body: (_ mean: UnsafePointer<Float>, _ std: UnsafePointer<Float>) -> Void) {
    mean.withUnsafeBufferPointer { mean in
      std.withUnsafeBufferPointer { std in body(mean.baseAddress!, std.baseAddress!) }
    }
  }
}

extension Normalization {
  /// The whole image as the network's input, height × width × channels.
  public func pixels(of image: Raster) -> [Float] { pixels(of: image, rows: 0..<image.height) }

  /// Some rows of it, rows × width × channels.
  ///
  /// Where an image has its own mean and deviation, ``of(_:)`` spares finding them at every call.
  public func pixels(of image: Raster, rows: Range<Int>) -> [Float] {
    func axis(_ length: Int, _ part: Range<Int>) -> Axis {
      Axis(source: length, scaled: length, start: part.lowerBound, length: part.count, mirrored: false)
    }
    return View(rows: axis(image.height, rows), columns: axis(image.width, 0..<image.width)).pixels(image, of(image))
  }
}
