import Checkpoint
import HDF5

/// A file of weights: any HDF5 file with datasets in one group, such as h5py writes, or a checkpoint.
public enum WeightsFile {
  /// Reads all datasets of `group` as float32, by name.
  ///
  /// Datasets may be float16, float32, float64 or integers of any byte order, contiguous or chunked, in every filter the
  /// HDF5 library has; HDF5 converts them. Shapes are those of the file: `[]` for scalars such as `num_batches_tracked`.
  ///
  /// Throws a ``CheckpointError`` when the file cannot be read, the group is missing, or one of its members is not a
  /// dataset of numbers.
  public static func read(_ path: String, group: String = "student") throws -> [String: StoredDataset] {
    let place = Place(file: path, advice: "")
    let group = group.split(separator: "/").joined(separator: "/")
    return try HDF5.run {
      let reader = try HDF5Reader(path, sealed: false, place)
      try requireGroup(group, in: reader)
      var weights: [String: StoredDataset] = [:]
      for name in try reader.links(of: group) {
        let path = "\(group)/\(name)"
        let place = place.at("'/\(path)'")
        guard try reader.kind(of: path) == .dataset else {
          throw place.error("is not a dataset; names are flat, with dots: /\(group)/\(name).…")
        }
        let dataset = try reader.dataset(path)
        guard try dataset.isNumeric(place) else { throw place.error("does not hold numbers; store it as float32") }
        let shape = try dataset.shape(place)
        weights[name] = StoredDataset(
          shape: shape, values: try dataset.read(shape: shape, as: .float32, fileSize: reader.size, place))
      }
      return weights
    }
  }

  /// Names the groups there are when the one wanted is not.
  private static func requireGroup(_ group: String, in reader: borrowing HDF5Reader) throws {
    var path = ""
    for name in group.split(separator: "/").map(String.init) {
      let present = try reader.links(of: path)
      let next = path.isEmpty ? name : "\(path)/\(name)"
      guard present.contains(name), try reader.kind(of: next) == .group else {
        throw reader.place.error(
          "has no group '/\(next)', '/\(path)' holds: \(present.prefix(8).joined(separator: ", "))"
            + (present.count > 8 ? ", …" : "") + "; store the weights as /\(group)/NAME")
      }
      path = next
    }
  }
}
