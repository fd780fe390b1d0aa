import Configuration
import Network

extension SegmenterShape {
  /// The network a configuration describes.
  public init(_ configuration: Configuration) {
    let model = configuration.model
    self.init(
      encoder: EncoderShape(
        depth: EncoderShape.Depth(rawValue: model.encoder.depth)!, stem: model.stem == .deep ? .deep : .classic,
        width: model.encoderWidth, outputStride: model.outputStride, multiGrid: model.multiGrid,
        inputs: configuration.data.channels),
      classes: configuration.data.classes, width: model.width, features: model.features, dilations: model.dilations,
      auxiliary: model.auxiliary)
  }
}
