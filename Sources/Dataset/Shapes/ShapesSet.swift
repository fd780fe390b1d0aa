internal import Compute
import Foundation
import Transforms

/// A generated data set, for trying the software without downloading anything.
///
/// Overlapping shapes on textured backgrounds with clutter. Classes lean towards colours and patterns of their own,
/// which other classes and the clutter take too: the best guess by colour alone is wrong on three in ten of the shapes'
/// pixels. An image is a pure function of the seed and its number. Its arithmetic gives the same pixels on every
/// machine.
public struct ShapesSet: ImageSet {
  /// The possible numbers of classes, background included.
  public static let supportedClasses = 2...ShapeOutline.allCases.count + 1

  /// The names of the first `classes` classes, `background` first.
  public static func classNames(_ classes: Int) -> [String] {
    (["background"] + ShapeOutline.allCases.map { "\($0)" }).prefix(max(0, classes)).map { $0 }
  }

  public let count: Int
  public let height: Int
  public let width: Int
  public let classes: Int
  private let philox: Philox
  private let offset: Int

  /// - Parameters:
  ///   - classes: in ``supportedClasses``; anything else is thrown as an error by ``check(_:)`` and by reading.
  ///   - offset: the number of the first image: labeled, unlabeled and validation sets of one seed are disjoint when
  ///     their ranges of numbers are.
  public init(height: Int, width: Int, count: Int, classes: Int, seed: UInt64, offset: Int) {
    self.height = height
    self.width = width
    self.count = max(0, count)
    self.classes = classes
    self.offset = offset
    philox = Philox(seed: seed)
  }

  public func identifier(_ index: Int) -> String { "shapes-" + String(format: "%06d", offset + index) }

  public func image(_ index: Int) throws -> Raster { try labeledImage(index).image }

  public func labels(_ index: Int) throws -> LabelMap { try labeledImage(index).labels }

  public func labeledImage(_ index: Int) throws -> (image: Raster, labels: LabelMap) {
    try check(index)
    var scene = ShapesScene(
      height: height, width: width, classes: classes, philox: philox, image: UInt32(truncatingIfNeeded: offset + index))
    return (
      Raster(height: height, width: width, pixels: scene.develop()),
      LabelMap(height: height, width: width, values: scene.labels)
    )
  }

  @discardableResult
  public func check(_ index: Int, seeing: (LabelMap) -> Void) throws -> (height: Int, width: Int) {
    guard ShapesSet.supportedClasses.contains(classes) else {
      throw DatasetError(
        description: "generated shapes: \(classes) classes; there can be \(ShapesSet.supportedClasses.lowerBound) to "
          + "\(ShapesSet.supportedClasses.upperBound), background included")
    }
    let sides = 8...20_000
    guard sides.contains(height), sides.contains(width) else {
      throw DatasetError(
        description: "generated shapes: \(width)×\(height) pixels; sides may have \(sides.lowerBound) to "
          + "\(sides.upperBound)")
    }
    return (height, width)
  }

  /// Writes the set in ``FileLayout/voc``: `JPEGImages/ID.png`, `SegmentationClass/ID.png` with a palette,
  /// `splits/LIST.txt` and `classes.txt`. Sets of one seed can be written into one directory, each under a list of its
  /// own.
  ///
  /// - Parameters:
  ///   - directory: created when it does not exist.
  ///   - list: such as `labeled`, `unlabeled`, `val`.
  /// - Throws: ``DatasetError`` naming what cannot be written.
  public func write(to directory: String, list: String) throws {
    for folder in ["JPEGImages", "SegmentationClass", "splits"] {
      do {
        try FileManager.default.createDirectory(
          atPath: "\(directory)/\(folder)", withIntermediateDirectories: true)
      } catch {
        throw FileBytes.problem("\(directory)/\(folder)", "cannot be created: \(error.localizedDescription)")
      }
    }
    for index in 0..<count {
      let (image, labels) = try labeledImage(index)
      let name = identifier(index) + ".png"
      try ImageFile.writePNG(image, to: "\(directory)/JPEGImages/\(name)")
      try ImageFile.writePNG(labels, palette: ImageFile.vocPalette, to: "\(directory)/SegmentationClass/\(name)")
    }
    let names = (0..<count).map { identifier($0) + "\n" }.joined()
    try FileBytes.write(Data(names.utf8), to: "\(directory)/splits/\(list).txt")
    let classNames = ShapesSet.classNames(classes).map { $0 + "\n" }.joined()
    try FileBytes.write(Data(classNames.utf8), to: "\(directory)/classes.txt")
  }
}
