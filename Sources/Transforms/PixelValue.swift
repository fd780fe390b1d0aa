/// A type in which images store values.
package protocol PixelValue: BitwiseCopyable, Sendable {
  /// The value as a number; exact for every type there is.
  var number: Float { get }
}

extension UInt8: PixelValue {
  @inlinable package var number: Float { Float(self) }
}

extension UInt16: PixelValue {
  @inlinable package var number: Float { Float(self) }
}

extension Int16: PixelValue {
  @inlinable package var number: Float { Float(self) }
}

extension Float: PixelValue {
  @inlinable package var number: Float { self }
}

extension PixelType {
  /// The smallest and the greatest value that an image of the type is taken to have where nothing else is said: of
  /// integers all they can store, of floats 0 to 1.
  public var range: PixelRange {
    switch self {
    case .uint8: PixelRange(low: 0, high: 255)
    case .uint16: PixelRange(low: 0, high: 65_535)
    case .int16: PixelRange(low: -32_768, high: 32_767)
    case .float32: PixelRange(low: 0, high: 1)
    }
  }
}

/// Values that become 0 and 255; those beyond become 0 or 255 too.
public struct PixelRange: Sendable, Equatable {
  public var low: Float
  public var high: Float

  /// - Parameter high: above `low`.
  public init(low: Float, high: Float) {
    precondition(low < high)
    (self.low, self.high) = (low, high)
  }

  /// Whether every 8-bit value stays as it is.
  var isOf8Bits: Bool { low == 0 && high == 255 }
}

extension Raster {
  /// An image of 8-bit colour.
  ///
  /// - Parameter pixels: exactly height · width · 3 bytes, red first.
  public init(height: Int, width: Int, pixels: [UInt8]) {
    self.init(height: height, width: width, channels: 3, values: .uint8(pixels))
  }

  /// The values of an 8-bit image; nil for one of another type.
  public var bytes: [UInt8]? {
    if case .uint8(let bytes) = values { bytes } else { nil }
  }

  /// What is shown from black to full where nothing else is said: of 8-bit images all values, of others the smallest to
  /// the greatest of this one.
  public var shownRange: PixelRange {
    func extent<Value: PixelValue & Comparable>(_ values: [Value]) -> PixelRange {
      let (low, high) = (values.min()?.number ?? 0, values.max()?.number ?? 1)
      return PixelRange(low: low, high: high > low ? high : low + 1)
    }
    switch values {
    case .uint8: return type.range
    case .uint16(let values): return extent(values)
    case .int16(let values): return extent(values)
    case .float32(let values): return extent(values)
    }
  }

  /// Bytes of 8-bit colour to show the image in, height × width × 3: the first three channels, or one for all three
  /// where there are one or two.
  ///
  /// - Parameter range: what is shown from black to full; nil for ``shownRange``.
  public func colors(_ range: PixelRange? = nil) -> [UInt8] {
    let range = range ?? shownRange
    if channels == 3, range.isOf8Bits, let bytes { return bytes }
    switch values {
    case .uint8(let values): return colors(of: values, range)
    case .uint16(let values): return colors(of: values, range)
    case .int16(let values): return colors(of: values, range)
    case .float32(let values): return colors(of: values, range)
    }
  }

  private func colors<Value: PixelValue>(of values: [Value], _ range: PixelRange) -> [UInt8] {
    let count = height * width, channels = channels
    let (low, factor) = (range.low, 255 / (range.high - range.low))
    return [UInt8](unsafeUninitializedCapacity: 3 * count) { colors, initialized in
      values.withUnsafeBufferPointer { values in
        for p in 0..<count {
          for c in 0..<3 {
            let value = values[p * channels + (channels < 3 ? 0 : c)].number
            colors[3 * p + c] = UInt8(min(max((value - low) * factor, 0), 255).rounded())
          }
        }
      }
      initialized = 3 * count
    }
  }

  /// Part of the image.
  ///
  /// - Parameters:
  ///   - rows: within the height, at least one.
  ///   - columns: within the width, at least one.
  public func part(rows: Range<Int>, columns: Range<Int>) -> Raster {
    func cut<Value>(_ values: [Value]) -> [Value] {
      rows.flatMap { y in
        values[(y * width + columns.lowerBound) * channels..<(y * width + columns.upperBound) * channels]
      }
    }
    let part: Values =
      switch values {
      case .uint8(let values): .uint8(cut(values))
      case .uint16(let values): .uint16(cut(values))
      case .int16(let values): .int16(cut(values))
      case .float32(let values): .float32(cut(values))
      }
    return Raster(height: rows.count, width: columns.count, channels: channels, values: part)
  }

  /// The first value that is no finite number, nil where all are.
  public var firstNonFinite: (row: Int, column: Int, channel: Int, value: Float)? {
    guard case .float32(let values) = values, let at = values.firstIndex(where: { !$0.isFinite }) else { return nil }
    let pixel = at / channels
    return (pixel / width, pixel % width, at % channels, values[at])
  }
}
