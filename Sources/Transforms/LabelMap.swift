/// A class for each pixel.
public struct LabelMap: Sendable, Equatable {
  /// The value of pixels that are ignored everywhere.
  public static let ignore: UInt8 = 255

  public let height: Int
  public let width: Int
  /// height × width, row-major: a class or ``ignore``.
  public var values: [UInt8]

  /// - Parameter values: exactly height · width bytes.
  public init(height: Int, width: Int, values: [UInt8]) {
    precondition(height > 0 && width > 0 && values.count == height * width)
    self.height = height
    self.width = width
    self.values = values
  }
}
