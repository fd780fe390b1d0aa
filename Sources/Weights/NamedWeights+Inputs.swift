import HDF5

// Weights of photographs, of three channels, for images that have others.

extension NamedWeights {
  /// The first convolution of a network's encoder, by its published name.
  static let firstConvolutions = ["encoder.conv1.weight", "encoder.conv1.0.weight"]

  /// The same weights for images of `channels` channels, where the first convolution is one of three: for one channel its
  /// sum over red, green and blue, which answers a grey image as the three answer it in colour; for others red, green and
  /// blue in turn, times 3 / channels, so that channels of like values are answered about as before.
  func taking(channels: Int) -> NamedWeights {
    guard channels != 3 else { return self }
    var adapted = tensors
    for name in Self.firstConvolutions {
      guard let tensor = tensors[name], case .float32(let values) = tensor.values, tensor.shape.count == 4,
        tensor.shape[1] == 3
      else { continue }
      let outputs = tensor.shape[0], taps = tensor.shape[2] * tensor.shape[3]
      var result: [Float] = []
      result.reserveCapacity(outputs * channels * taps)
      for output in 0..<outputs {
        func weight(_ channel: Int, _ tap: Int) -> Float { values[(output * 3 + channel) * taps + tap] }
        for channel in 0..<channels {
          for tap in 0..<taps {
            result.append(
              channels == 1
                ? weight(0, tap) + weight(1, tap) + weight(2, tap) : weight(channel % 3, tap) * 3 / Float(channels))
          }
        }
      }
      adapted[name] = StoredDataset(
        shape: [outputs, channels, tensor.shape[2], tensor.shape[3]], values: .float32(result))
    }
    return NamedWeights(source: source, names: names, tensors: adapted)
  }
}
