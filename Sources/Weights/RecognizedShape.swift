import Network

// What network a file's tensors belong to, by their published names and shapes.

extension EncoderShape {
  /// The ResNet whose layers these tensors are; nil when it is none of those there are. Stride and dilation leave no trace
  /// in a file.
  public init?(recognizedIn shapes: [String: [Int]]) {
    let blocks = Self.blocks(in: shapes)
    let bottleneck = shapes["encoder.layer1.0.conv3.weight"] != nil
    var planes: [Int] = []
    for layer in 1...4 { planes += shapes["encoder.layer\(layer).0.conv1.weight"]?.prefix(1) ?? [] }
    guard let width = Self.width(planes: planes) else { return nil }
    let stem: Stem
    if shapes["encoder.conv1.weight"] != nil {
      stem = .classic
    } else if shapes["encoder.conv1.0.weight"] != nil {
      stem = .deep
    } else {
      return nil
    }
    let first = NamedWeights.firstConvolutions.lazy.compactMap { shapes[$0] }.first
    // As many channels as a configuration can ask for.
    let inputs = first.flatMap { $0.count == 4 && (1...32).contains($0[1]) ? $0[1] : nil } ?? 3
    for depth in Depth.allCases {
      let shape = EncoderShape(depth: depth, stem: stem, width: width, inputs: inputs)
      if shape.blocks == blocks, shape.bottleneck == bottleneck {
        self = shape
        return
      }
    }
    return nil
  }

  /// Blocks of layer1 to layer4.
  static func blocks(in shapes: [String: [Int]]) -> [Int] {
    (1...4).map { layer in
      var count = 0
      while shapes["encoder.layer\(layer).\(count).conv1.weight"] != nil { count += 1 }
      return count
    }
  }

  /// The factor that makes 64, 128, 256 and 512 channels these: a multiple of 1/8, or the one with the fewest decimals.
  private static func width(planes: [Int]) -> Double? {
    guard planes.count == 4 else { return nil }
    let middle = Double(planes[3]) / 512
    for scale in [8.0, 10, 100, 1000] {
      for offset in [0.0, 1, -1] {
        let width = ((middle * scale).rounded() + offset) / scale
        guard (0.125...8).contains(width) else { continue }
        let shape = EncoderShape(depth: .resnet18, width: width)
        if [64, 128, 256, 512].map(shape.channels) == planes { return width }
      }
    }
    return nil
  }

  /// In the words of the configuration.
  var stemName: String { stem == .deep ? "deep" : "classic" }

  /// The keys that make a model have this encoder.
  public func keys(insteadOf other: EncoderShape? = nil) -> [String] {
    var keys: [String] = []
    if depth != other?.depth { keys.append("model.encoder: resnet\(depth.rawValue)") }
    if stem != other?.stem { keys.append("model.stem: \(stemName)") }
    let published = [64, 128, 256, 512]
    if published.map(channels) != published.map({ other?.channels($0) ?? $0 }) {
      keys.append("model.encoder_width: \(width)")
    }
    if inputs != other?.inputs ?? 3 { keys.append("data.channels: \(inputs)") }
    return keys
  }

  /// Such as "a resnet50 with the classic stem (one 7×7 convolution)".
  public var words: String {
    "resnet\(depth.rawValue) with the \(stemName) stem (\(stem == .deep ? "three 3×3 convolutions" : "one 7×7 convolution"))"
  }
}

extension SegmenterShape {
  /// The network whose tensors these are, as far as they tell: what is not in the file has the published size.
  public init?(recognizedIn shapes: [String: [Int]]) {
    guard let encoder = EncoderShape(recognizedIn: shapes) else { return nil }
    // As wide as a configuration can ask for.
    func extent(_ name: String, _ range: ClosedRange<Int>, or published: Int) -> Int {
      shapes[name]?.first.flatMap { range.contains($0) ? $0 : nil } ?? published
    }
    self.init(
      encoder: encoder, classes: extent("decoder.classifier.8.weight", 2...255, or: 21),
      width: extent("decoder.low_conv.0.weight", 1...16_384, or: 256),
      features: extent("decoder.representation.8.weight", 1...16_384, or: 256), dilations: [12, 24, 36])
  }
}
