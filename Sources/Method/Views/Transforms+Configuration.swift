import Configuration
import Transforms

// Transforms as a configuration describes them.

extension ColorJitter {
  package init(_ color: Configuration.Augment.Color, probability: Double) {
    self.init(
      brightness: color.brightness, contrast: color.contrast, saturation: color.saturation, hue: color.hue,
      probability: probability)
  }
}

extension Normalization {
  package init(_ configuration: Configuration) {
    self.init(mean: configuration.data.mean.map { Float($0) }, std: configuration.data.std.map { Float($0) })
  }
}
