import Transforms

/// The meaning of the values stored in a mask: a class, ignore, or none, which is an error.
public struct LabelCoding: Sendable, Equatable {
  /// By stored value: the class, ``LabelMap/ignore``, or ``none``.
  let table: [Int32]
  /// The end of a message on a value without a meaning: the values that are valid.
  private let advice: String

  static let none: Int32 = -1

  /// Values are classes, 255 is ignore.
  public static func direct(classes: Int) -> LabelCoding {
    LabelCoding(
      table: (0..<256).map { $0 < classes ? $0 : $0 == Int32(LabelMap.ignore) ? $0 : none },
      advice:
        "with \(classes) classes values are 0 to \(classes - 1), or \(LabelMap.ignore) for ignore; data.label_map says "
        + "what others mean")
  }

  /// A table of stored values and their classes.
  ///
  /// - Parameters:
  ///   - classes: by stored value a class, or nil for ignore.
  ///   - ignoringOthers: whether values not listed are ignored; else they are errors.
  public init(_ classes: [UInt8: UInt8?], ignoringOthers: Bool) {
    var table = [Int32](repeating: ignoringOthers ? Int32(LabelMap.ignore) : LabelCoding.none, count: 256)
    for (value, label) in classes { table[Int(value)] = Int32(label ?? LabelMap.ignore) }
    let values = classes.keys.sorted().map(String.init).joined(separator: ", ")
    self.init(
      table: table,
      advice: "data.label_map lists \(values); add the value there, or 'other: ignore' for all that are not listed")
  }

  /// The `labelIds` of Cityscapes: 19 of the 34 are classes that networks are trained on, everything else is ignore.
  public static let cityscapes: LabelCoding = {
    let trained: [UInt8] = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    let classes = trained.enumerated().map { ($1, UInt8?(UInt8($0))) }
    return LabelCoding(Dictionary(uniqueKeysWithValues: classes), ignoringOthers: true)
  }()

  init(table: [Int32], advice: String) {
    precondition(table.count == 256)
    self.table = table
    self.advice = advice
  }

  /// The same coding, in which classes from `classes` on have no meaning.
  func restricted(to classes: Int) -> LabelCoding {
    guard table.contains(where: { $0 >= classes && $0 != Int32(LabelMap.ignore) }) else { return self }
    return LabelCoding(
      table: table.map { $0 >= classes && $0 != Int32(LabelMap.ignore) ? LabelCoding.none : $0 },
      advice: "it stands for a class of its own, but data.classes has \(classes) classes only; give all of them")
  }

  /// Whether the coding changes no value.
  private var isDirect: Bool { table.indices.allSatisfy { table[$0] == LabelCoding.none || table[$0] == $0 } }

  /// Replaces stored values by their meaning.
  ///
  /// - Parameter mask: the file's name in messages.
  /// - Throws: ``DatasetError`` with the first value without a meaning, its place, and the number of such pixels.
  func decode(_ stored: consuming LabelMap, mask: String) throws -> LabelMap {
    var labels = stored
    var strange = 0
    let direct = isDirect
    table.withUnsafeBufferPointer { table in
      for value in labels.values where table[Int(value)] == LabelCoding.none { strange += 1 }
      guard strange == 0, !direct else { return }
      for index in labels.values.indices { labels.values[index] = UInt8(table[Int(labels.values[index])]) }
    }
    guard strange > 0, let at = labels.values.firstIndex(where: { table[Int($0)] == LabelCoding.none }) else {
      return labels
    }
    let value = labels.values[at]
    let others = Set(labels.values).filter { table[Int($0)] == LabelCoding.none && $0 != value }.sorted()
    let rest =
      others.count > LabelCoding.shownValues ? " and \(others.count - LabelCoding.shownValues) more values" : ""
    let shown = others.prefix(LabelCoding.shownValues).map(String.init).joined(separator: ", ")
    let more = others.isEmpty ? "" : ", and with \(shown)\(rest)"
    let remedy =
      others.count >= 3 && isInterpolated(labels)
      ? "the mask looks interpolated, since these values lie along edges: resize masks with nearest neighbour, and "
        + "never save them as JPEG; if they were not, \(advice)"
      : advice
    throw FileBytes.problem(
      mask,
      "value \(value) at pixel (x \(at % labels.width), y \(at / labels.width)) is no class\(more) (\(strange) "
        + "\(strange == 1 ? "pixel" : "pixels")): \(remedy)")
  }

  /// How many values without a meaning a message lists beside the first.
  private static let shownValues = 6

  /// Whether most pixels without a meaning have other values beside them: values that a resize or JPEG puts between two
  /// classes form lines, values that somebody drew form areas.
  private func isInterpolated(_ labels: LabelMap) -> Bool {
    let (height, width) = (labels.height, labels.width)
    var strange = 0, inside = 0
    for y in 0..<height {
      for x in 0..<width {
        let value = labels.values[y * width + x]
        guard table[Int(value)] == LabelCoding.none else { continue }
        strange += 1
        let around = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)].filter { x, y in
          (0..<width).contains(x) && (0..<height).contains(y)
        }
        let alike = around.count { labels.values[$0.1 * width + $0.0] == value }
        if alike >= around.count - 1 { inside += 1 }
      }
    }
    return 2 * inside < strange
  }
}
