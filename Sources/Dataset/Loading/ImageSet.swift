import Transforms

/// Bad data: the message names the file, the place in it and the remedy.
public struct DatasetError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(description: String) { self.description = description }
}

/// One list of images: the labeled, the unlabeled or the validation list.
///
/// Every method may be called from any thread. `index` is in `0..<count`.
public protocol ImageSet: Sendable {
  var count: Int { get }

  /// Errors in lines of the list, which are not among the entries for that reason.
  var problems: [DatasetError] { get }

  /// The entry's name in messages: an ID or a path.
  func identifier(_ index: Int) -> String

  /// The list and the line that the entry stands in, nil where no list was read.
  func origin(_ index: Int) -> String?

  /// The text of that line, which another list can hold too; the identifier where no list was read.
  func line(_ index: Int) -> String

  /// Where the image and its mask lie: for messages, and to find out whether two entries are the same.
  func source(_ index: Int) -> (image: String, mask: String?)

  /// The volume that the image is a slice of; nil for an image of its own.
  func volume(_ index: Int) -> VolumePlace?

  /// - Throws: ``DatasetError`` naming the file.
  func image(_ index: Int) throws -> Raster

  /// The image, and what decoding has told besides; nil for one that is not decoded from a file.
  ///
  /// - Throws: ``DatasetError`` naming the file.
  func decoded(_ index: Int) throws -> (image: Raster, facts: ImageFacts?)

  /// The size of an image of which some rows can be read without the others; nil where all of it has to be.
  func sizeByRows(_ index: Int) -> (height: Int, width: Int)?

  /// Some rows of it, all columns.
  ///
  /// - Throws: ``DatasetError`` naming the file.
  func image(_ index: Int, rows: Range<Int>) throws -> Raster

  /// Tells the image's bytes from others, without reading them: a digest of where they lie, their number, and when they
  /// were last changed. nil for an image that is not decoded from a file, and where the system does not say.
  func stamp(_ index: Int) -> UInt64?

  /// The mask, every value a class of the set or ``LabelMap/ignore``.
  ///
  /// - Throws: ``DatasetError``, also when the set has no masks.
  func labels(_ index: Int) throws -> LabelMap

  /// The image and its mask, of the same size.
  ///
  /// - Throws: ``DatasetError``, also when they differ in size.
  func labeledImage(_ index: Int) throws -> (image: Raster, labels: LabelMap)

  /// Checks an entry before training, without decoding its image.
  ///
  /// - Parameter seeing: given the mask, where it had to be read for that.
  /// - Returns: the image's size.
  /// - Throws: ``DatasetError``.
  @discardableResult
  func check(_ index: Int, seeing: (LabelMap) -> Void) throws -> (height: Int, width: Int)
}

extension ImageSet {
  public var problems: [DatasetError] { [] }

  public func origin(_ index: Int) -> String? { nil }

  public func line(_ index: Int) -> String { identifier(index) }

  public func source(_ index: Int) -> (image: String, mask: String?) { (identifier(index), identifier(index)) }

  public func volume(_ index: Int) -> VolumePlace? { nil }

  @discardableResult
  public func check(_ index: Int) throws -> (height: Int, width: Int) { try check(index, seeing: { _ in }) }

  public func decoded(_ index: Int) throws -> (image: Raster, facts: ImageFacts?) { (try image(index), nil) }

  public func stamp(_ index: Int) -> UInt64? { nil }

  public func sizeByRows(_ index: Int) -> (height: Int, width: Int)? { nil }

  public func image(_ index: Int, rows: Range<Int>) throws -> Raster {
    let image = try image(index)
    return image.part(rows: rows, columns: 0..<image.width)
  }

  public func labeledImage(_ index: Int) throws -> (image: Raster, labels: LabelMap) {
    let image = try image(index)
    let labels = try labels(index)
    try requireSameSize(index, image: (image.height, image.width), labels)
    return (image, labels)
  }

  /// - Throws: ``DatasetError`` where an image and its mask differ in size.
  public func requireSameSize(_ index: Int, image: (height: Int, width: Int), _ mask: LabelMap) throws {
    guard image != (mask.height, mask.width) else { return }
    let source = source(index)
    throw DatasetError(
      mismatch: (source.image, image.height, image.width), (source.mask ?? "its mask", mask.height, mask.width),
      orientation: (try? decoded(index))?.facts?.orientation ?? 1)
  }

  /// Throws the first of ``problems``, where there are any.
  public func requireComplete() throws {
    guard let first = problems.first else { return }
    let others = problems.count - 1
    let more =
      others == 0 ? "" : " (\(others) more \(others == 1 ? "line" : "lines"): u2pl data check CONFIG lists all)"
    throw DatasetError(description: first.description + more)
  }

  /// Runs `body`, and prefixes a ``DatasetError`` that it throws with the list and the line that the entry stands in.
  @discardableResult
  public func namingOrigin<Result>(of index: Int, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let problem as DatasetError {
      guard let origin = origin(index) else { throw problem }
      throw DatasetError(description: "\(origin): \(problem.description)")
    }
  }
}

extension DatasetError {
  /// An image and a mask of different sizes.
  ///
  /// - Parameter orientation: EXIF's, of the image.
  init(
    mismatch image: (name: String, height: Int, width: Int), _ mask: (name: String, height: Int, width: Int),
    orientation: Int
  ) {
    let isStored = ExifOrientation.swapsSides(orientation) && (image.width, image.height) == (mask.height, mask.width)
    let why =
      isStored
      ? ". The image is turned as viewers show it, by its EXIF orientation \(orientation); the mask was drawn on the pixels "
        + "as they are stored. Turn the mask, or have the image shown as it is stored: exiftool -Orientation= FILE" : ""
    self.init(
      description: "\(image.name) and \(mask.name): the image is \(image.width)×\(image.height) pixels but the mask "
        + "\(mask.width)×\(mask.height); both must have the same size" + why)
  }
}
