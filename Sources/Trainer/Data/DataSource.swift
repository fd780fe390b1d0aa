import Configuration
import Dataset
import Method
import Transforms

/// Where a configuration's images and masks are, whatever its kind of data.
public struct DataSource: Sendable {
  private let data: Configuration.Data
  /// Opened once for all lists.
  private let packed: PackedFile?

  /// - Throws: ``DatasetError`` when there is no such root, or a packed file cannot be opened.
  public init(_ data: Configuration.Data) throws {
    self.data = data
    if let problem = data.rootProblem, data.kind == .hdf5 || !FileSet.hasOtherForm(data.root) {
      throw DatasetError(description: (data.rootPlace.place.map { "\($0): " } ?? "") + problem)
    }
    packed = data.kind == .hdf5 ? try PackedFile(data.root) : nil
  }

  /// Opens a list; nil where the configuration has none for this role.
  ///
  /// - Throws: ``DatasetError`` when there is no such list. Errors of its lines are in the set's ``ImageSet/problems``.
  public func open(_ role: ListRole) throws -> (any ImageSet)? {
    let source: Configuration.ListSource? =
      switch role {
      case .labeled: data.labeled
      case .unlabeled: data.unlabeled
      case .validation: data.validation
      }
    switch source {
    case nil: return nil
    case .count(let count):
      return ShapesSet(
        height: data.size.height, width: data.size.width, count: count, classes: data.classes, seed: data.seed,
        offset: role.firstGeneratedImage)
    case .file(let list): return try open(list: list, labeled: role != .unlabeled)
    }
  }

  /// Opens any list of images that are stored as the configuration says.
  ///
  /// - Throws: ``DatasetError``, as ``open(_:)``; also for generated images, which are in no list.
  public func open(list: String, labeled: Bool) throws -> any ImageSet {
    let coding = data.labelMap.map { LabelCoding($0.classes, ignoringOthers: $0.ignoringOthers) }
    if let packed {
      return try PackedSet(
        packed, list: list, classes: data.classes, coding: coding, form: data.imageForm, labeled: labeled)
    }
    guard let layout else {
      throw DatasetError(description: "\(list): data.kind \(data.kind.rawValue) has no lists of images")
    }
    return try FileSet(
      root: data.root, list: list, layout: layout, classes: data.classes, coding: coding, form: data.imageForm,
      labeled: labeled)
  }

  private var layout: FileLayout? {
    switch data.kind {
    case .voc: .voc
    case .cityscapes: .cityscapes
    case .folder: .folder
    case .hdf5, .shapes: nil
    }
  }
}

extension Configuration.Data {
  /// How images are read.
  public var imageForm: ImageForm {
    ImageForm(channels: channels, isWhole: channels != 3 || range != .type || normalize != .dataset)
  }

  /// What pictures show from black to full; nil for what the type, or the image, says.
  public var shownRange: PixelRange? { PixelRange(self) }

  /// The colours that classes are shown in: RGB triples, at least one for each class.
  public var colors: [[UInt8]] {
    switch palette {
    case nil: Palette.colors(classes: classes, names: classNames)
    case .colors(let colors): colors
    case .voc: ImageFile.vocPalette
    // More classes than Cityscapes has go on in VOC's colours.
    case .cityscapes: Palette.cityscapes + ImageFile.vocPalette.dropFirst(Palette.cityscapes.count)
    }
  }
}
