/// The data of one dataset: dense, row-major, the last index running fastest.
public enum DatasetValues: Sendable, Equatable {
  case float32([Float])
  case float64([Double])
  case int16([Int16])
  case int32([Int32])
  case int64([Int64])
  case uint8([UInt8])
  case uint16([UInt16])

  /// The number of elements.
  public var count: Int {
    switch self {
    case .float32(let values): values.count
    case .float64(let values): values.count
    case .int16(let values): values.count
    case .int32(let values): values.count
    case .int64(let values): values.count
    case .uint8(let values): values.count
    case .uint16(let values): values.count
    }
  }

  /// Calls `body` with the elements' bytes in memory order.
  package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch self {
    case .float32(let values): try values.withUnsafeBytes(body)
    case .float64(let values): try values.withUnsafeBytes(body)
    case .int16(let values): try values.withUnsafeBytes(body)
    case .int32(let values): try values.withUnsafeBytes(body)
    case .int64(let values): try values.withUnsafeBytes(body)
    case .uint8(let values): try values.withUnsafeBytes(body)
    case .uint16(let values): try values.withUnsafeBytes(body)
    }
  }
}

/// A dataset: its shape (`[]` for a scalar, a 0 in it for an empty one) and as many values as the shape's product.
public struct StoredDataset: Sendable, Equatable {
  public let shape: [Int]
  public let values: DatasetValues

  /// Bytes of all values.
  public var bytes: Int { values.count * values.type.size }

  /// The count of `values` is compared with `shape` when the dataset is written.
  public init(shape: [Int], values: DatasetValues) {
    self.shape = shape
    self.values = values
  }
}

/// The value of an attribute: stored as a 64-bit integer, a 64-bit float, or a UTF-8 string without NUL characters.
public enum AttributeValue: Sendable, Equatable {
  case int(Int64)
  case double(Double)
  case string(String)
}
