import HDF5

/// The contents of a checkpoint: attributes of the root group, and datasets by path.
///
/// A path is made of group names and a dataset name, joined by `/`: `student/encoder.conv1.0.weight` is the dataset
/// `encoder.conv1.0.weight` in the group `student`. The attributes `format_version` and `digest` are the file format's
/// own: they are added when a file is written and are not part of the contents read back.
public struct CheckpointContents: Sendable, Equatable {
  public var attributes: [String: AttributeValue]
  public var datasets: [String: StoredDataset]

  public init() {
    attributes = [:]
    datasets = [:]
  }
}

extension AttributeValue {
  /// The number or text alone.
  package var text: String {
    switch self {
    case .int(let number): "\(number)"
    case .double(let number): "\(number)"
    case .string(let text): text
    }
  }
}
