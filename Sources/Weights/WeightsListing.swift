import Checkpoint
import HDF5

/// What a weights file holds, without the data.
public struct WeightsListing: Sendable {
  public let source: String
  /// `safetensors` or `HDF5`.
  public let format: String
  /// A safetensors file's free text.
  public let metadata: [String: String]
  /// Sorted by name. Paths in HDF5 begin with the group; types are those of the format.
  public let tensors: [CheckpointSummary.Dataset]

  /// - Throws: ``CheckpointError`` when the file is none of these or damaged.
  public init(_ path: String) throws {
    source = path
    switch try WeightsFormat(of: path) {
    case .safetensors:
      let file = try SafetensorsFile(path)
      format = "safetensors"
      metadata = file.metadata
      tensors = file.tensors.map {
        CheckpointSummary.Dataset(
          path: $0.name, shape: $0.shape, type: $0.type.rawValue, bytes: $0.shape.reduce($0.type.size, *))
      }.sorted { $0.path < $1.path }
    case .hdf5:
      format = "HDF5"
      metadata = [:]
      tensors = try WeightsFile.summary(path)
    }
  }
}

extension WeightsFile {
  /// Lists the datasets of any HDF5 file.
  static func summary(_ path: String) throws -> [CheckpointSummary.Dataset] {
    let place = Place(file: path, advice: "")
    return try HDF5.run {
      let reader = try HDF5Reader(path, sealed: false, place)
      return try reader.datasetPaths().map { path in
        let place = place.at("dataset '\(path)'")
        let dataset = try reader.dataset(path)
        let shape = try dataset.shape(place)
        let type = try dataset.elementType(place)
        return CheckpointSummary.Dataset(
          path: path, shape: shape, type: try type?.name ?? (dataset.isNumeric(place) ? "number" : "other"),
          bytes: CheckpointFile.product(shape + [type?.size ?? 1]) ?? 0)
      }
    }
  }
}
