import Configuration
import Dataset
import Transforms

/// The values that masks of a data set store: the inverse of `data.label_map`.
package struct MaskValues: Sendable {
  /// The value that stands for each class; ``ignore`` for a class that no value stands for.
  package let ofClass: [UInt8]
  /// Stands for pixels that nobody has decided.
  package let ignore: UInt8
  /// The colour of each value, for viewers: RGB triples.
  package let palette: [[UInt8]]

  /// - Throws: ``DatasetError`` where no value means ignore.
  package init(_ data: Configuration.Data) throws {
    let colors = data.colors
    guard let map = data.labelMap else {
      ofClass = (0..<data.classes).map { UInt8($0) }
      ignore = LabelMap.ignore
      palette = colors
      return
    }
    let values = map.classes.keys.sorted()
    let listed = values.filter { map.classes[$0]! == nil }
    let others = map.ignoringOthers ? (0...255).reversed().map { UInt8($0) }.filter { map.classes[$0] == nil } : []
    let ignoring = listed + others
    guard let ignore = ignoring.contains(LabelMap.ignore) ? LabelMap.ignore : ignoring.first else {
      let free = (0...255).reversed().first { map.classes[UInt8($0)] == nil } ?? 255
      throw DatasetError(
        description: "data.label_map has no value for pixels that nobody has decided, which masks need; add one to it, "
          + "such as \(free): ignore")
    }
    self.ignore = ignore
    ofClass = (0..<data.classes).map { c in values.first { map.classes[$0]! == UInt8(c) } ?? ignore }
    var palette = ImageFile.vocPalette
    for (c, value) in ofClass.enumerated() where value != ignore { palette[Int(value)] = colors[c] }
    self.palette = palette
  }
}
