import Foundation

/// The colours that predictions are shown in: a red, green, blue triple a class.
public enum Palette {
  /// Those of the data set that has classes of these names, as its publishers show them: Cityscapes, CamVid; otherwise
  /// PASCAL VOC's, by number.
  public static func colors(classes: Int, names: [String]?) -> [[UInt8]] {
    for known in [cityscapesClasses, camVidClasses] {
      let colors = (names ?? []).compactMap { name in known.first { $0.name == folded(name) }?.color }
      if colors.count == classes { return colors }
    }
    return Array(ImageFile.vocPalette.prefix(classes))
  }

  /// A text file with three numbers from 0 to 255 a line, in the order of the classes. What follows them on a line is a
  /// remark.
  ///
  /// - Throws: ``DatasetError`` naming file and line.
  public static func read(_ path: String, classes: Int) throws -> [[UInt8]] {
    guard let text = String(validating: try FileBytes.read(path), as: UTF8.self) else {
      throw FileBytes.problem(path, "the palette is not UTF-8 text")
    }
    var colors: [[UInt8]] = []
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let words = line.split { $0.isWhitespace || $0 == "," || $0 == "\u{FEFF}" }
      if words.isEmpty { continue }
      let color = words.prefix(3).compactMap { UInt8($0) }
      guard color.count == 3 else {
        throw DatasetError(
          description: "\(path), line \(number + 1): a colour is three numbers from 0 to 255, such as 128 64 0")
      }
      colors.append(color)
    }
    guard colors.count >= classes else {
      throw FileBytes.problem(path, "\(colors.count) colours for \(classes) classes; it needs one a line for each")
    }
    return Array(colors.prefix(classes))
  }

  private static func folded(_ name: String) -> String {
    name.lowercased().replacing("_", with: " ").replacing("-", with: " ")
  }

  /// Those of Cityscapes' 19 train classes, in their order.
  public static var cityscapes: [[UInt8]] { cityscapesClasses.map(\.color) }

  private typealias NamedColor = (name: String, color: [UInt8])

  private static let cityscapesClasses: [NamedColor] = [
    ("road", [128, 64, 128]), ("sidewalk", [244, 35, 232]), ("building", [70, 70, 70]), ("wall", [102, 102, 156]),
    ("fence", [190, 153, 153]), ("pole", [153, 153, 153]), ("traffic light", [250, 170, 30]),
    ("traffic sign", [220, 220, 0]), ("vegetation", [107, 142, 35]), ("terrain", [152, 251, 152]),
    ("sky", [70, 130, 180]), ("person", [220, 20, 60]), ("rider", [255, 0, 0]), ("car", [0, 0, 142]),
    ("truck", [0, 0, 70]), ("bus", [0, 60, 100]), ("train", [0, 80, 100]), ("motorcycle", [0, 0, 230]),
    ("bicycle", [119, 11, 32]),
  ]

  /// The eleven classes of the SegNet tutorial, under the names it and others use.
  private static let camVidClasses: [NamedColor] = [
    ("sky", [128, 128, 128]), ("building", [128, 0, 0]), ("pole", [192, 192, 128]), ("road", [128, 64, 128]),
    ("pavement", [60, 40, 222]), ("sidewalk", [60, 40, 222]), ("tree", [128, 128, 0]), ("sign", [192, 128, 128]),
    ("signsymbol", [192, 128, 128]), ("fence", [64, 64, 128]), ("car", [64, 0, 128]), ("pedestrian", [64, 64, 0]),
    ("bicyclist", [0, 128, 192]),
  ]
}
