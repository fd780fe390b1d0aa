/// The type in which a pixel's values are stored.
public enum PixelType: String, Sendable, Equatable, CaseIterable {
  case uint8
  case uint16
  /// Signed, as CT stores Hounsfield units.
  case int16
  case float32

  /// Bytes of one value.
  public var size: Int {
    switch self {
    case .uint8: 1
    case .uint16, .int16: 2
    case .float32: 4
    }
  }
}

/// An image of any number of channels, in the type that its file has.
public struct Raster: Sendable, Equatable {
  /// height × width × channels, row-major, the channels of a pixel side by side.
  public enum Values: Sendable, Equatable {
    case uint8([UInt8])
    case uint16([UInt16])
    case int16([Int16])
    case float32([Float])

    public var count: Int {
      switch self {
      case .uint8(let values): values.count
      case .uint16(let values): values.count
      case .int16(let values): values.count
      case .float32(let values): values.count
      }
    }

    public var type: PixelType {
      switch self {
      case .uint8: .uint8
      case .uint16: .uint16
      case .int16: .int16
      case .float32: .float32
      }
    }
  }

  public let height: Int
  public let width: Int
  /// 1 to 32.
  public let channels: Int
  public var values: Values

  public var type: PixelType { values.type }

  /// - Parameter values: exactly height · width · channels of them.
  public init(height: Int, width: Int, channels: Int, values: Values) {
    precondition(height > 0 && width > 0 && channels > 0 && values.count == height * width * channels)
    self.height = height
    self.width = width
    self.channels = channels
    self.values = values
  }
}
