import Network

/// Recognises the networks whose weights a file holds, by names and shapes.
public enum WeightsRecognition {
  /// A line for each network in the file.
  public static func lines(_ listing: WeightsListing) -> [String] {
    // HDF5 keeps networks apart in groups, whose names stand before a slash.
    let groups = Dictionary(grouping: listing.tensors) { tensor in
      tensor.path.split(separator: "/").dropLast().joined(separator: "/")
    }
    return groups.sorted { $0.key < $1.key }.flatMap { group, tensors -> [String] in
      let title = group.isEmpty ? "" : "/\(group): "
      let start = group.isEmpty ? 0 : group.count + 1
      let shapes = Dictionary(
        tensors.map { (String($0.path.dropFirst(start)), $0.shape) }, uniquingKeysWith: { first, _ in first })
      return WeightNames.encoderPrefixes(of: shapes.keys).compactMap { prefix in
        let network =
          prefix == "encoder." || prefix.hasSuffix(".encoder.") ? prefix.dropLast("encoder.".count) : prefix[...]
        guard let names = try? WeightNames(shapes.keys, prefix: String(network), file: listing.source) else {
          return nil
        }
        var published: [String: [Int]] = [:]
        for (name, target) in names.targets { published[target] = shapes[name] }
        let encoder = EncoderShape(recognizedIn: published)
        return "\(title)\(names.kind.words); \(encoder?.words ?? "another ResNet than this program has")"
      }
    }
  }
}
