extension SegmenterShape {
  /// What two models can differ in, each in a few words.
  package var parts: [String] {
    [
      "resnet\(encoder.depth.rawValue)", "\(encoder.stem) stem", "encoder width \(encoder.width)",
      "stride \(encoder.outputStride)", encoder.multiGrid ? "multi-grid" : "no multi-grid", "\(classes) classes",
      "decoder \(width)", "features \(features)", "dilations \(dilations)",
      auxiliary ? "an auxiliary head" : "no auxiliary head", images,
    ]
  }

  private var images: String { "images of \(encoder.inputs) \(encoder.inputs == 1 ? "channel" : "channels")" }

  /// One line for messages.
  public var summary: String {
    "resnet\(encoder.depth.rawValue) (\(encoder.stem) stem, width \(encoder.width), stride \(encoder.outputStride)"
      + "\(encoder.multiGrid ? ", multi-grid" : "")), \(classes) classes, decoder \(width), features \(features), "
      + "dilations \(dilations)\(auxiliary ? ", auxiliary head" : "")\(encoder.inputs == 3 ? "" : ", \(images)")"
  }
}
