import Network

extension WeightsFit {
  /// The message for weights that do not fit: what to do where the file tells, else the names that do not fit.
  func refusal(of weights: NamedWeights, by encoder: EncoderShape) -> String {
    guard let advice = Self.advice(weights, for: encoder) else {
      return problems(weights.source).joined(separator: "\n")
    }
    return
      "\(advice)\nAs it is, \(missing.count) of the model's tensors are missing, \(misshapen.count) misshapen, and "
      + "\(unknown.count) of the file's unknown"
  }

  /// Why weights of a file do not fit an encoder and which key of the configuration to set, as far as the file tells; nil
  /// when the encoder is the one wanted.
  public static func advice(_ weights: NamedWeights, for wanted: EncoderShape) -> String? {
    let shapes = weights.tensors.mapValues(\.shape), source = weights.source
    if weights.tensors.isEmpty
      || weights.names.kind == .other && !shapes.keys.contains(where: { part($0) == "decoder" })
    {
      let names = list(weights.names.targets.keys.sorted())
      return "\(source): is no ResNet; it holds \(names.isEmpty ? "no tensor" : names)"
    }
    if weights.names.poolsBeforeProjection {
      return "\(source): is a ResNet whose skip connections pool before their 1×1 convolution, as timm's resnet50d; "
        + "this encoder's do not: take one without, such as torchvision's or timm's resnet50s"
    }
    guard let found = EncoderShape(recognizedIn: shapes) else {
      let blocks = EncoderShape.blocks(in: shapes)
      guard !blocks.contains(0) else { return nil }
      return EncoderShape.Depth.allCases.contains { EncoderShape(depth: $0).blocks == blocks }
        ? nil
        : "\(source): its layers have \(blocks.map(String.init).joined(separator: ", ")) blocks, as none of resnet18, "
          + "resnet34, resnet50 and resnet101 has"
    }
    if found.bottleneck, hasOtherBlocks(shapes) {
      return "\(source): has wide or grouped blocks, as wide_resnet50_2 and resnext50 do, which this program does not: "
        + "take a plain resnet\(found.depth.rawValue)"
    }
    if found.stem == .deep, let stem = stem(in: shapes) {
      let published = [64, 64, 128].map(found.channels)
      if stem != published {
        func words(_ channels: [Int]) -> String { "\(channels[0]), \(channels[1]) and \(channels[2])" }
        return "\(source): the three convolutions of its stem have \(words(stem)) channels, the model's "
          + "\(words(published)): take one with as many, such as timm's resnet50s, or one with the classic stem and "
          + "model.stem: classic"
      }
    }
    let keys = found.keys(insteadOf: wanted)
    guard !keys.isEmpty else { return nil }
    let widths = keys.contains { $0.hasPrefix("model.encoder_width") } ? ", of other widths" : ""
    return "\(source): is a \(found.words), the configuration says \(wanted.words)\(widths): set "
      + keys.joined(separator: " and ")
  }

  /// Whether the 3×3 convolutions of all layers' first bottlenecks are grouped, or have other channels than a quarter of
  /// the output's.
  private static func hasOtherBlocks(_ shapes: [String: [Int]]) -> Bool {
    (1...4).allSatisfy { layer in
      guard let inner = shapes["encoder.layer\(layer).0.conv2.weight"],
        let outer = shapes["encoder.layer\(layer).0.conv3.weight"], inner.count == 4, outer.count == 4
      else { return false }
      return inner[1] != inner[0] || outer[0] != 4 * inner[0]
    }
  }

  /// The channels of a deep stem's three 3×3 convolutions, where they fit each other; those of timm's resnet50c and
  /// resnet50d are 32, 32 and 64.
  private static func stem(in shapes: [String: [Int]]) -> [Int]? {
    var channels = [shapes["encoder.conv1.0.weight"].flatMap { $0.count == 4 ? $0[1] : nil } ?? 3]
    for name in ["conv1.0", "conv1.3", "conv1.6"] {
      guard let shape = shapes["encoder.\(name).weight"], shape.count == 4,
        Array(shape.dropFirst()) == [channels[channels.count - 1], 3, 3]
      else { return nil }
      channels.append(shape[0])
    }
    return Array(channels.dropFirst())
  }
}
