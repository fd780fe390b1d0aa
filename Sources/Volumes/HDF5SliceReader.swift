import Files
import HDF5
import Transforms

/// A dataset of an HDF5 file, with the shapes of ``ArrayShape``.
struct HDF5SliceReader: SliceReader {
  let header: VolumeHeader
  private let path: String
  let dataset: String
  private let axes: [Int]
  private let number: StoredNumber

  /// Names that datasets of images and of masks have, the first that is there being taken.
  private static let names: [VolumeFile.Purpose: [String]] = [
    .image: ["image", "images", "raw", "data", "volume"],
    .mask: ["label", "labels", "mask", "masks", "seg", "segmentation"],
  ]

  init(_ path: String, _ purpose: VolumeFile.Purpose, _ name: String?) throws {
    self.path = path
    (dataset, axes, number) = try HDF5.run {
      let place = Self.place(path)
      let reader = try HDF5Reader(path, place)
      let name = try name ?? Self.choose(reader, purpose, place)
      guard try reader.exists(name), try reader.kind(of: name) == .dataset else {
        throw place.error(
          "has no dataset '\(name)': there is \(try reader.datasetPaths().joined(separator: ", ")); correct the list")
      }
      let at = place.at("dataset '\(name)'")
      let dataset = try reader.dataset(name)
      let type = try dataset.storedType(at)
      let number: StoredNumber? = type == .boolean ? .bool : StoredNumber(rawValue: type.description)
      guard let number else {
        throw at.error("its values are of type \(type), which is not read; save them as float32")
      }
      let axes = try dataset.shape(at)
      try dataset.requireReadable(at)
      try dataset.requireAllChunks(at)
      _ = try dataset.plausibleCount(of: axes, fileSize: reader.size, at)
      return (name, axes, number)
    }
    guard let shape = ArrayShape(axes) else {
      throw FileError(description: "\(path): dataset '\(dataset)' \(ArrayShape.refusal(axes))")
    }
    try Self.requireReadable(
      path, slices: shape.slices, height: shape.height, width: shape.width, channels: shape.channels, size: 8)
    header = VolumeHeader(
      format: .hdf5, slices: shape.slices, height: shape.height, width: shape.width, channels: shape.channels,
      type: number.pixelType, storedType: number.rawValue)
  }

  func stored(_ index: Int) throws -> StoredPixels {
    let hasSlices = ArrayShape(axes)?.hasSlices ?? false
    // HDF5 converts every number to one that holds it.
    let wide: (StoredNumber, ElementType) =
      switch number {
      case .bool, .uint8: (.uint8, .uint8)
      case .uint16: (.uint16, .uint16)
      case .int8, .int16: (.int16, .int16)
      case .int32: (.int32, .int32)
      case .uint32, .int64, .uint64: (.int64, .int64)
      case .float16, .float32: (.float32, .float32)
      case .float64: (.float64, .float64)
      }
    let values = try HDF5.run {
      let place = Self.place(path)
      let reader = try HDF5Reader(path, place)
      let dataset = try reader.dataset(dataset)
      let at = place.at("dataset '\(self.dataset)'")
      guard try dataset.shape(at) == axes else { throw at.error("has another shape than before: the file has changed") }
      return hasSlices
        ? try dataset.read(row: index, shape: axes, as: wide.1, fileSize: reader.size, at)
        : try dataset.read(shape: axes, as: wide.1, fileSize: reader.size, at)
    }
    return StoredPixels(
      height: header.height, width: header.width, channels: header.channels, number: wide.0, bytes: Self.bytes(values),
      place: Self.place("\(path): dataset '\(dataset)'", index, of: header.slices))
  }

  private static func bytes(_ values: DatasetValues) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  private static func choose(
    _ reader: borrowing HDF5Reader, _ purpose: VolumeFile.Purpose, _ place: Place
  ) throws -> String {
    let there = try reader.datasetPaths()
    if let name = names[purpose, default: []].first(where: there.contains) { return name }
    guard there.count == 1, let only = there.first else {
      throw place.error(
        there.isEmpty
          ? "has no dataset"
          : "has the datasets \(there.prefix(8).joined(separator: ", ")), and none of them is called "
            + "\(purpose == .image ? "image" : "label"); call the one that is meant so")
    }
    return only
  }

  private static func place(_ path: String) -> Place { Place(file: path, advice: "write or copy it again") }
}
