import Files
import Transforms

/// The type of a stored number, as NumPy calls it.
enum StoredNumber: String, CaseIterable {
  case bool, uint8, int8, uint16, int16, uint32, int32, uint64, int64, float16, float32, float64

  /// Bytes of one number.
  var size: Int {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .float16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    }
  }

  /// The type of pixel that holds these numbers, or those of them that are read.
  var pixelType: PixelType {
    switch self {
    case .bool, .uint8: .uint8
    case .uint16: .uint16
    case .int8, .int16: .int16
    case .uint32, .int32, .uint64, .int64, .float16, .float32, .float64: .float32
    }
  }
}

/// What the numbers of a file mean: `slope` · number + `inter`.
struct NumberScale: Equatable {
  var slope = 1.0
  var inter = 0.0

  var isNone: Bool { slope == 1 && inter == 0 }
}

/// Stored numbers, and how they become pixels.
struct StoredPixels {
  let height: Int
  let width: Int
  let channels: Int
  let number: StoredNumber
  /// Whether the bytes of a number are in the other order than this machine's.
  var isSwapped = false
  var scale = NumberScale()
  /// height × width × channels numbers.
  let bytes: [UInt8]
  /// Names file and slice in messages.
  let place: String

  /// - Throws: ``FileError`` that names the pixel, for a number that is not finite, or that no ``PixelType`` holds exactly.
  func raster() throws -> Raster {
    Raster(height: height, width: width, channels: channels, values: try values())
  }

  private func values() throws -> Raster.Values {
    guard scale.isNone else {
      let scale = scale
      return .float32(
        try scaled { index, value in
          let result = Float(scale.slope * value + scale.inter)
          guard result.isFinite else {
            throw problem(
              at: index,
              "\(value) · \(scale.slope) + \(scale.inter) is no number that float32 holds; set scl_slope and "
                + "scl_inter right")
          }
          return result
        })
    }
    switch number {
    case .bool, .uint8: return .uint8(bytes)
    case .int8: return .int16(bytes.map { Int16(Int8(bitPattern: $0)) })
    case .uint16: return .uint16(integers(UInt16.self))
    case .int16: return .int16(integers(Int16.self))
    case .uint32: return .float32(try exact(integers(UInt32.self)))
    case .int32: return .float32(try exact(integers(Int32.self)))
    case .uint64: return .float32(try exact(integers(UInt64.self)))
    case .int64: return .float32(try exact(integers(Int64.self)))
    case .float16: return .float32(try finite(integers(UInt16.self).map(Self.half)))
    case .float32: return .float32(try finite(integers(UInt32.self).map(Float.init(bitPattern:))))
    case .float64:
      return .float32(
        try integers(UInt64.self).enumerated().map { index, bits in
          let value = Double(bitPattern: bits)
          guard value.isFinite else { throw notFinite(at: index, value) }
          guard let result = Float(exactly: value) else {
            throw problem(
              at: index,
              "\(value) is a float64 that float32 does not hold exactly, and pixels are float32 at most; save "
                + "the values as float32")
          }
          return result
        })
    }
  }

  /// The numbers as a mask: whole ones of 0 to 255.
  ///
  /// - Throws: ``FileError`` that names the pixel where a number is none of these.
  func labels() throws -> LabelMap {
    guard channels == 1 else {
      throw FileError(
        description: "\(place): a mask has one channel, and this has \(channels); save the class numbers alone")
    }
    if scale.isNone, number.size == 1, number != .int8 {
      return LabelMap(height: height, width: width, values: bytes)
    }
    let scale = scale
    let values: [UInt8] = try scaled { index, stored in
      let value = scale.slope * stored + scale.inter
      guard let label = UInt8(exactly: value) else {
        throw problem(
          at: index, "\(shown(value)) is no class number: masks hold whole numbers of 0 to 255 (255 = ignore)")
      }
      return label
    }
    return LabelMap(height: height, width: width, values: values)
  }

  // MARK: Numbers

  /// Calls `body` with each number as a float64, which is exact but for 64-bit integers beyond 2⁵³.
  private func scaled<Result>(_ body: (_ index: Int, _ value: Double) throws -> Result) throws -> [Result] {
    func each<Stored>(_ stored: [Stored], _ double: (Stored) -> Double) throws -> [Result] {
      try stored.enumerated().map { index, value in try body(index, double(value)) }
    }
    switch number {
    case .bool, .uint8: return try each(bytes) { Double($0) }
    case .int8: return try each(bytes) { Double(Int8(bitPattern: $0)) }
    case .uint16: return try each(integers(UInt16.self)) { Double($0) }
    case .int16: return try each(integers(Int16.self)) { Double($0) }
    case .uint32: return try each(integers(UInt32.self)) { Double($0) }
    case .int32: return try each(integers(Int32.self)) { Double($0) }
    case .uint64: return try each(integers(UInt64.self)) { Double($0) }
    case .int64: return try each(integers(Int64.self)) { Double($0) }
    case .float16: return try each(integers(UInt16.self)) { Double(Self.half($0)) }
    case .float32: return try each(integers(UInt32.self)) { Double(Float(bitPattern: $0)) }
    case .float64: return try each(integers(UInt64.self)) { Double(bitPattern: $0) }
    }
  }

  private func integers<Integer: FixedWidthInteger>(_ type: Integer.Type) -> [Integer] {
    let count = bytes.count / MemoryLayout<Integer>.size
    return bytes.withUnsafeBytes { bytes in
      [Integer](unsafeUninitializedCapacity: count) { buffer, initialized in
        for index in 0..<count {
          let value = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Integer>.size, as: Integer.self)
          buffer.initializeElement(at: index, to: isSwapped ? value.byteSwapped : value)
        }
        initialized = count
      }
    }
  }

  private func exact<Integer: FixedWidthInteger>(_ integers: [Integer]) throws -> [Float] {
    try integers.enumerated().map { index, value in
      guard let result = Float(exactly: value) else {
        throw problem(
          at: index,
          "\(value) is an \(number.rawValue) that float32 does not hold exactly, and pixels are float32 at most; "
            + "rescale the values to 16 bits")
      }
      return result
    }
  }

  private func finite(_ values: [Float]) throws -> [Float] {
    if let index = values.firstIndex(where: { !$0.isFinite }) { throw notFinite(at: index, Double(values[index])) }
    return values
  }

  /// IEEE 754's half precision.
  private static func half(_ bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1F), fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0: return (sign == 0 ? 1 : -1) * Float(fraction) * 0x1p-24
    case 0x1F: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }

  // MARK: Words

  private func notFinite(at index: Int, _ value: Double) -> FileError {
    problem(at: index, "\(shown(value)) is no number to train on; replace it, by 0 or the value of the background")
  }

  private func shown(_ value: Double) -> String {
    value.isNaN ? "NaN" : value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }

  private func problem(at index: Int, _ what: String) -> FileError {
    let pixel = index / channels
    let channel = channels > 1 ? ", channel \(index % channels)" : ""
    return FileError(description: "\(place), row \(pixel / width), column \(pixel % width)\(channel): \(what)")
  }
}
