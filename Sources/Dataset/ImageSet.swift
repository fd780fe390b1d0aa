/// Bad data, told to the user: which file, where in it, what to do.
public struct DatasetError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(description: String) { self.description = description }
}

/// An 8-bit colour image.
public struct RGBImage: Sendable, Equatable {
  public let height: Int
  public let width: Int
  /// height × width × 3, row-major, red first.
  public var pixels: [UInt8]

  /// - Parameter pixels: exactly height · width · 3 bytes.
  public init(height: Int, width: Int, pixels: [UInt8]) {
    precondition(height > 0 && width > 0 && pixels.count == height * width * 3)
    self.height = height
    self.width = width
    self.pixels = pixels
  }
}

/// One class a pixel.
public struct LabelMap: Sendable, Equatable {
  /// The value of pixels that take part in nothing.
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

/// One list of images: the labeled, the unlabeled or the validation list.
///
/// Every method may be called from any thread. `index` is in `0..<count`.
public protocol ImageSet: Sendable {
  var count: Int { get }

  /// What a message calls the entry: an ID or a path.
  func identifier(_ index: Int) -> String

  /// - Throws: ``DatasetError`` naming the file.
  func image(_ index: Int) throws -> RGBImage

  /// The mask, every value a class of the set or ``LabelMap/ignore``.
  ///
  /// - Throws: ``DatasetError``, also when the set has no masks.
  func labels(_ index: Int) throws -> LabelMap

  /// The image and its mask, of the same size.
  ///
  /// - Throws: ``DatasetError``, also when they differ in size.
  func labeledImage(_ index: Int) throws -> (image: RGBImage, labels: LabelMap)

  /// Looks an entry over before training, without decoding its image.
  ///
  /// - Returns: the image's size.
  /// - Throws: the ``DatasetError`` the user should see.
  @discardableResult
  func check(_ index: Int) throws -> (height: Int, width: Int)
}

extension ImageSet {
  public func labeledImage(_ index: Int) throws -> (image: RGBImage, labels: LabelMap) {
    let image = try image(index)
    let labels = try labels(index)
    try DatasetError.requireSameSize(
      identifier(index), image: (image.height, image.width), mask: (labels.height, labels.width))
    return (image, labels)
  }
}

extension DatasetError {
  static func requireSameSize(
    _ name: String, image: (height: Int, width: Int), mask: (height: Int, width: Int)
  ) throws {
    guard image != mask else { return }
    throw DatasetError(
      description: "\(name): the image is \(image.width)×\(image.height) pixels but the mask "
        + "\(mask.width)×\(mask.height); both must have the same size")
  }
}
