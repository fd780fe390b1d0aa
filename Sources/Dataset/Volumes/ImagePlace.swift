import Foundation
public import Transforms
import Volumes

/// An image or a mask on disk: a JPEG or PNG, or one slice of a TIFF, NIfTI, NumPy or HDF5 file.
///
/// A file whose name ends as those of volumes do is one, unless its first bytes say otherwise.
public struct ImagePlace: Sendable, Hashable {
  /// The file, and behind `#` the slice of a volume that has several.
  public let path: String
  /// The file alone.
  public let file: String
  /// nil for a JPEG or PNG.
  private let slice: Int?

  /// - Parameter path: a file of one image, or `FILE#SLICE`.
  public init(_ path: String) {
    self.path = path
    if let name = SliceName(path), access(path, F_OK) != 0 {
      (file, slice) = (name.file, name.slice)
    } else {
      (file, slice) = (path, Self.isVolume(path) ? 0 : nil)
    }
  }

  /// Whether a file is read as a volume.
  public static func isVolume(_ path: String) -> Bool {
    guard VolumeFile.hasName(path), let file = FileHandle(forReadingAtPath: path) else { return false }
    return VolumeFile.format(ofBytes: Array((try? file.read(upToCount: 16)) ?? Data())) != nil
  }

  /// The name of an image's file without its ending, such as `a` of `a.nii.gz`; of a slice with its number.
  ///
  /// - Returns: nil where a name ends as no image's does.
  public static func stem(_ name: String) -> String? {
    if let slice = SliceName(name), VolumeFile.hasName(slice.file) {
      return SliceName(file: FileNames.stem(slice.file), slice: slice.slice).text
    }
    return FileNames.isImage(name) ? FileNames.stem(name) : nil
  }

  /// The image in a form, and what decoding has told besides.
  ///
  /// - Parameter accept: called with the size before memory is taken for the pixels; throws to leave the image alone.
  /// - Throws: ``DatasetError`` naming the file.
  public func read(
    _ form: ImageForm, accept: (_ height: Int, _ width: Int) throws -> Void = { _, _ in }
  ) throws -> (image: Raster, facts: ImageFacts) {
    guard let slice else {
      return try ImageFile.read(file, form) { try accept($0.height, $0.width) }
    }
    let volume = try checkedVolume(form)
    try accept(volume.header.height, volume.header.width)
    let raster = try OpenVolumes.translated { try volume.slice(slice) }
    let facts = ImageFacts(
      height: raster.height, width: raster.width, channels: raster.channels, orientation: 1, flaw: nil, depth: nil)
    return (try form.fit(raster, hasAlpha: volume.header.hasAlpha, path), facts)
  }

  /// The mask, its values as stored.
  ///
  /// - Throws: ``DatasetError`` naming the file.
  func labels() throws -> LabelMap {
    guard let slice else { return try ImageFile.readLabels(file) }
    let volume = try OpenVolumes.open(file, .mask)
    try requireNamed(volume)
    return try OpenVolumes.translated { try volume.labels(slice) }
  }

  /// The image's size, without decoding it.
  ///
  /// - Throws: ``DatasetError`` as ``read(_:accept:)``, as far as headers and the ends of files show what is wrong.
  func check(_ form: ImageForm) throws -> (height: Int, width: Int) {
    guard slice != nil else {
      let header = try ImageFile.checkImage(file, form)
      return (header.height, header.width)
    }
    let header = try checkedVolume(form).header
    return (header.height, header.width)
  }

  /// As ``ImageSet/stamp(_:)``.
  var stamp: UInt64? { FileBytes.stamp(file, part: slice.map { "#\($0)" } ?? "") }

  /// How far apart pixels are, in mm; nil where the file does not say.
  var spacing: VolumeHeader.Spacing? { slice == nil ? nil : (try? OpenVolumes.open(file, .image))?.header.spacing }

  /// Of a slice of a volume; nil for an image of its own.
  var volume: VolumePlace? {
    guard path != file, let slice else { return nil }
    return VolumePlace(file: file, slice: slice, spacing: spacing)
  }

  /// Of a volume; nil for a JPEG or PNG.
  func header(_ purpose: VolumeFile.Purpose) throws -> VolumeHeader? {
    slice == nil ? nil : try OpenVolumes.open(file, purpose).header
  }

  private func checkedVolume(_ form: ImageForm) throws -> VolumeFile {
    let volume = try OpenVolumes.open(file, .image), header = volume.header
    try requireNamed(volume)
    try form.require(header.channels, hasAlpha: header.hasAlpha, file)
    guard form.isWhole || header.type == .uint8 else {
      throw FileBytes.problem(
        file,
        "holds values of type \(header.storedType), and images of 3 channels are read as 8-bit colour; save it with 8 "
          + "bits, or set data.range, with which they are read whole")
    }
    return volume
  }

  /// - Throws: ``DatasetError`` where a path without a number means a volume of several slices.
  private func requireNamed(_ volume: VolumeFile) throws {
    guard path == file, volume.header.slices > 1 else { return }
    throw FileBytes.problem(
      file,
      "has \(volume.header.slices) slices, of which one is meant: name it, from #0 to #\(volume.header.slices - 1)")
  }
}

/// The volume that an image is a slice of.
public struct VolumePlace: Sendable, Equatable {
  public let file: String
  /// From 0.
  public let slice: Int
  /// In mm; nil where the file does not say.
  public let spacing: VolumeHeader.Spacing?

  package init(file: String, slice: Int, spacing: VolumeHeader.Spacing?) {
    (self.file, self.slice, self.spacing) = (file, slice, spacing)
  }
}
