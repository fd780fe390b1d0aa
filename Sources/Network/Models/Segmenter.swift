import Compute

/// Everything that fixes a network's parameters.
public struct SegmenterShape: Sendable, Equatable {
  public var encoder: EncoderShape
  /// Classes C.
  public var classes: Int
  /// Channels within the decoder.
  public var width: Int
  /// Representation channels D.
  public var features: Int
  /// Dilations of ASPP's 3×3 convolutions.
  public var dilations: [Int]
  /// Whether there is an auxiliary head on layer3.
  public var auxiliary: Bool

  public init(
    encoder: EncoderShape, classes: Int, width: Int, features: Int, dilations: [Int], auxiliary: Bool = false
  ) {
    self.encoder = encoder
    self.classes = classes
    self.width = width
    self.features = features
    self.dilations = dilations
    self.auxiliary = auxiliary
  }
}

extension SegmenterShape {
  /// Names and shapes of the network's parameters, in the order of PyTorch's `state_dict`.
  public var entries: [ParameterEntry] { Segmenter(withoutStorage: self, trainable: false).parameters.entries }
}

/// Encoder and decoder: image [N, H, W, channels] → logits [N, h, w, C] and representation [N, h, w, D], where h × w is
/// layer1's size, about a quarter of the image.
public final class Segmenter {
  public let shape: SegmenterShape
  public let parameters: Parameters
  private let encoder: ResNet
  private let decoder: Decoder
  private let auxiliary: AuxiliaryHead?

  /// All zeros: see ``initialize(philox:zeroResidual:)``.
  ///
  /// - Parameter trainable: whether gradients are kept.
  public convenience init(_ shape: SegmenterShape, trainable: Bool) {
    self.init(withoutStorage: shape, trainable: trainable)
    parameters.allocate()
  }

  /// Layers whose parameters have names and shapes, but no numbers yet.
  fileprivate init(withoutStorage shape: SegmenterShape, trainable: Bool) {
    self.shape = shape
    parameters = Parameters(trainable: trainable)
    encoder = ResNet(parameters, shape.encoder)
    decoder = Decoder(parameters, shape, low: encoder.lowChannels, high: encoder.highChannels)
    auxiliary =
      shape.auxiliary
      ? AuxiliaryHead(parameters, inputs: encoder.middleChannels, width: shape.width, classes: shape.classes) : nil
  }

  /// Parameters of the encoder come first; the learning rate of the heads may differ from here on.
  public var firstDecoderParameter: Int {
    parameters.entries.first { $0.kind == .parameter && $0.name.hasPrefix("decoder.") }!.offset
  }

  /// The results of a forward pass; nil for those that were not asked for.
  public struct Output {
    /// N × h × w × C.
    public let logits: Tensor
    /// N × h × w × D.
    public let representation: Tensor?
    /// The auxiliary head's logits at layer3's size, in recorded passes of a network that has the head.
    public let auxiliary: Tensor?
  }

  /// Image [N, H, W, channels] → logits, representation, and the auxiliary head's logits.
  ///
  /// - Parameter representation: false for a pass that does not need it.
  public func forward(_ image: Tensor, representation: Bool = true, _ pass: Pass) throws -> Output {
    let maps = try encoder.forward(image, pass)
    let joined = try decoder.join(low: maps.low, high: maps.high, pass)
    return Output(
      logits: try decoder.logits(joined, pass),
      representation: representation ? try decoder.representation(joined, pass) : nil,
      auxiliary: pass.recordsForBackward ? try auxiliary?.forward(maps.middle, pass) : nil)
  }

  /// Writes `parameters.gradients` of the last recorded pass: this rank's share, reduced over its slots along their
  /// tree.
  ///
  /// - Parameters:
  ///   - logits: gradient of the loss with respect to the logits; may be overwritten.
  ///   - representation: the same for the representation, or nil where no loss depends on it.
  ///   - gradient: the same for the auxiliary head's logits, or nil.
  ///   - pass: that of the forward pass.
  public func backward(
    logits: Tensor, representation: Tensor?, auxiliary gradient: Tensor? = nil, _ pass: Pass
  ) throws {
    // Layers write all of their gradients; those of a head that no loss depends on are 0.
    if representation == nil { clearGradients("decoder.representation.") }
    if gradient == nil { clearGradients("auxor.") }
    let middle = try gradient.flatMap { try auxiliary?.backward($0, pass) }
    let maps = try decoder.backward(logits: logits, representation: representation, pass)
    try encoder.backward(low: maps.low, middle: middle, high: maps.high, pass)
  }

  private func clearGradients(_ prefix: String) {
    for entry in parameters.entries where entry.kind == .parameter && entry.name.hasPrefix(prefix) {
      parameters.gradient(entry).update(repeating: 0)
    }
  }

  /// Kaiming-normal weights (fan-out), biases 0, batch norm 1 and 0, running statistics 0 and 1.
  ///
  /// - Parameter zeroResidual: the last batch norm of each residual block starts at 0 instead of 1.
  public func initialize(philox: Philox, zeroResidual: Bool) {
    for entry in parameters.entries where entry.kind != .counter {
      let storage = parameters.storage(entry)
      if entry.shape.count == 4 {
        kaimingNormal(storage, entry, philox)
      } else {
        let one = entry.name.hasSuffix(".running_var") || entry.kind == .parameter && entry.name.hasSuffix(".weight")
        storage.update(repeating: one ? 1 : 0)
      }
    }
    if zeroResidual {
      for block in encoder.residualBlocks { parameters.storage(block.lastNormWeight).update(repeating: 0) }
    }
    parameters.markChanged()
  }
}
