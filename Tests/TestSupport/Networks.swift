import Network

/// Fills a network with the reference's fixture values.
public func fillNamed(_ network: Segmenter) {
  for entry in network.parameters.entries where entry.kind != .counter {
    _ = network.parameters.storage(entry).update(fromContentsOf: namedValue(entry.name, entry.shape))
  }
  network.parameters.markChanged()
}

/// A tensor N × H × W × C of the numbers of an N × C × H × W array.
public func tensor(nchw values: [Float], _ shape: [Int], scale: Float = 1) -> Tensor {
  let t = Tensor(count: shape[0], height: shape[2], width: shape[3], channels: shape[1])
  for (i, value) in channelsLast(values, shape).enumerated() { t.data[i] = value * scale }
  return t
}

/// The tensor's numbers in N × C × H × W order.
public func nchw(_ t: Tensor) -> [Float] {
  var out = [Float](repeating: 0, count: t.elements)
  for n in 0..<t.count {
    for p in 0..<t.pixels {
      for c in 0..<t.channels { out[(n * t.channels + c) * t.pixels + p] = t.sample(n)[p * t.channels + c] }
    }
  }
  return out
}
