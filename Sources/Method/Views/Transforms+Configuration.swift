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
  /// Percentiles that have not been found yet count as no range.
  package init(_ configuration: Configuration) {
    let data = configuration.data
    let statistics: Statistics =
      switch data.normalize {
      case .dataset: .dataset
      case .image: .image(nonZero: false)
      case .imageNonZero: .image(nonZero: true)
      }
    self.init(
      mean: data.mean.map { Float($0) }, std: data.std.map { Float($0) }, range: PixelRange(data),
      statistics: statistics)
  }
}

extension PixelRange {
  /// What `data.range` says; nil where it says nothing.
  package init?(_ data: Configuration.Data) {
    guard let range = data.knownRange else { return nil }
    self.init(low: Float(range.lowerBound), high: Float(range.upperBound))
  }
}
