import Files
import Foundation
import HDF5

/// The contents of a checkpoint, without the data.
public struct CheckpointSummary: Sendable {
  /// One dataset: its path, shape, element type (`float32`, `float64`, `int32`, `int64`, `uint8`), and bytes of values.
  public struct Dataset: Sendable {
    public let path: String
    public let shape: [Int]
    public let type: String
    public let bytes: Int

    package init(path: String, shape: [Int], type: String, bytes: Int) {
      (self.path, self.shape, self.type, self.bytes) = (path, shape, type, bytes)
    }
  }

  /// All root attributes, the format's own too.
  public let attributes: [String: AttributeValue]
  /// Sorted by path.
  public let datasets: [Dataset]
}

extension CheckpointFile {
  /// Reads a checkpoint and verifies it: seal, format version, every chunk's checksum, and the digest of it all.
  ///
  /// Throws a ``CheckpointError`` that names the file, what is wrong in it, and an older checkpoint if one stands
  /// beside it.
  ///
  /// - Parameters:
  ///   - group: keeps no more than the datasets below this group, such as `student`; all is verified.
  ///   - advises: whether the message names the older checkpoint.
  public static func read(_ path: String, group: String? = nil, advises: Bool = true) throws -> CheckpointContents {
    var contents = CheckpointContents()
    contents.attributes = try readVerified(path, advises: advises) { name, dataset in
      if group.map({ name.hasPrefix($0 + "/") }) ?? true { contents.datasets[name] = dataset }
    }
    contents.attributes[versionName] = nil
    contents.attributes[digestName] = nil
    return contents
  }

  /// Reads and verifies like ``read(_:)``, holding no more than one dataset at a time.
  public static func verify(_ path: String, advises: Bool = true) throws {
    _ = try readVerified(path, advises: advises) { _, _ in }
  }

  /// Lists a checkpoint's attributes and datasets. The seal is verified, the datasets are not read.
  public static func summary(_ path: String) throws -> CheckpointSummary {
    let place = Place(file: path, advice: advice(insteadOf: path))
    return try HDF5.run {
      let reader = try HDF5Reader(path, sealed: true, place)
      let attributes = try readAttributes(reader)
      let datasets = try reader.datasetPaths().map { path in
        let place = place.at("dataset '\(path)'")
        let dataset = try reader.dataset(path)
        let shape = try dataset.shape(place)
        guard let type = try dataset.elementType(place), let bytes = product(shape + [type.size]) else {
          throw place.error("its type or shape is none that a checkpoint has")
        }
        return CheckpointSummary.Dataset(path: path, shape: shape, type: type.name, bytes: bytes)
      }
      return CheckpointSummary(attributes: attributes, datasets: datasets)
    }
  }

  /// Hands every dataset to `body`, in the order of their paths, and returns the attributes once the digest agrees.
  private static func readVerified(
    _ path: String, advises: Bool, _ body: (String, StoredDataset) -> Void
  ) throws -> [String: AttributeValue] {
    let place = Place(file: path, advice: advises ? advice(insteadOf: path) : "")
    return try HDF5.run {
      let reader = try HDF5Reader(path, sealed: true, place)
      let attributes = try readAttributes(reader)
      var digest = Digest()
      if case .string(let text)? = attributes[digestName] { digest = Digest(like: text) }
      digest.add(attributes.filter { $0.key != digestName })
      for path in try reader.datasetPaths() {
        let place = place.at("dataset '\(path)'")
        let dataset = try reader.dataset(path)
        let shape = try dataset.shape(place)
        guard let type = try dataset.elementType(place) else {
          throw place.error("its type is none that a checkpoint has")
        }
        let stored = StoredDataset(
          shape: shape, values: try dataset.read(shape: shape, as: type, fileSize: reader.size, place))
        digest.add(stored, at: path)
        body(path, stored)
      }
      guard attributes[digestName] == .string(digest.text) else {
        throw place.error("the contents do not match the digest they were written with: the file is damaged")
      }
      return attributes
    }
  }

  /// All root attributes, after a look at the format version.
  private static func readAttributes(_ reader: borrowing HDF5Reader) throws -> [String: AttributeValue] {
    let place = reader.place
    guard let version = try reader.attribute(versionName) else {
      throw place.error("has no attribute '\(versionName)': it is an HDF5 file, but not a checkpoint")
    }
    guard version == .int(formatVersion) else {
      throw place.error(
        "has \(versionName) \(version.text), this program reads \(formatVersion): "
          + "read it with the version that wrote it")
    }
    var attributes: [String: AttributeValue] = [:]
    for name in try reader.attributeNames() { attributes[name] = try reader.attribute(name) }
    return attributes
  }

  /// The remedy for a checkpoint that cannot be used: the newest older one in its directory, if there is one.
  private static func advice(insteadOf path: String) -> String {
    if let run = RunDirectory.at(path) {
      let name = ["best", "latest"].first { run.target(of: $0) != nil }
      return name.map { "name a checkpoint in it: \(FileSystem.join(run.checkpointsPath, $0))" }
        ?? "it has no checkpoint yet"
    }
    let directory = FileSystem.directory(of: path)
    let names = (try? FileSystem.entries(of: directory)) ?? []
    let own = RunDirectory.step(ofName: FileSystem.name(of: FileSystem.linkTarget(path) ?? RunDirectory.resolved(path)))
    let older = names.compactMap(RunDirectory.step(ofName:)).filter { step in own.map { step < $0 } ?? false }.max()
    guard let older else { return "use another checkpoint" }
    return "use an older checkpoint: \(FileSystem.join(directory, RunDirectory.checkpointName(step: older)))"
  }
}
