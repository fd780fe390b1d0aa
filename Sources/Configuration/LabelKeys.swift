// The keys of the section `data` that say what masks hold and how classes are shown. `classes` is read before them.

extension Field where Owner == Configuration.Data {
  /// `{0: background, 255: 1, other: ignore}`.
  static var labelMap: Field {
    let example = "{0: 0, 255: 1}"
    let reference = KeyReference(
      path: "label_map", type: "a section VALUE: CLASS, or null", unit: "", standard: "null", range: "values 0 to 255",
      meaning:
        "What the values stored in masks mean: each a class, by number or name, or `ignore`. Values not listed are "
        + "errors, or, with `other: ignore`, ignored. null: values are classes, 255 is ignore. Not for `cityscapes`, whose "
        + "files tell by their names, nor where a packed file tells.")
    return Field(
      "label_map", reference,
      read: { owner, item, path throws(ConfigurationError) in
        guard !item.isNull else {
          owner.labelMap = nil
          return
        }
        guard owner.kind != .cityscapes, owner.kind != .shapes else {
          throw ConfigurationError(
            item.place, "\(path) is not for data.kind \(owner.kind.rawValue); take it out, or set it to null")
        }
        guard let entries = item.mapping?.entries, !entries.isEmpty else {
          throw ConfigurationError(
            item.place,
            "\(path): expected \(reference.type), found \(item.summary); for example 'label_map: \(example)'")
        }
        var map = Configuration.LabelMap()
        for entry in entries {
          if entry.key == "other" {
            guard entry.value.text == "ignore" else {
              throw ConfigurationError(
                entry.value.place,
                "\(path).other: expected ignore, found \(entry.value.summary); leave it out for an error")
            }
            map.ignoringOthers = true
          } else if let value = UInt8(entry.key) {
            map.classes[value] = .some(try mapped(entry.value, path: "\(path).\(entry.key)", owner))
          } else {
            throw ConfigurationError(
              entry.place, "\(path): '\(clipped(entry.key))' is no stored value; write 0 to 255, or other")
          }
        }
        guard !map.classes.isEmpty else {
          throw ConfigurationError(item.place, "\(path): lists no value; for example 'label_map: \(example)'")
        }
        owner.labelMap = map
      },
      write: { data in
        guard let map = data.labelMap else { return "null" }
        let entries = map.classes.sorted { $0.key < $1.key }.map { value, label in
          "\(value): \(label.map { "\($0)" } ?? "ignore")"
        }
        return "{" + (entries + (map.ignoringOthers ? ["other: ignore"] : [])).joined(separator: ", ") + "}"
      })
  }

  /// A class by number or name; nil for `ignore`.
  private static func mapped(_ item: Item, path: String, _ data: Owner) throws(ConfigurationError) -> UInt8? {
    let names = data.classNames ?? []
    // A class may be called `ignore`, or by a number; in quotes it is the name.
    if item.plainText == "ignore" { return nil }
    if let text = item.plainText, let number = Int(text) {
      guard (0..<data.classes).contains(number) else {
        throw ConfigurationError(
          item.place,
          "\(path): \(number) is no class, as data.classes has \(data.classes); write 0 to \(data.classes - 1), a class's name, "
            + "or ignore")
      }
      return UInt8(number)
    }
    guard let text = item.text else {
      throw ConfigurationError(item.place, "\(path): expected a class or ignore, found \(item.summary)")
    }
    guard let number = names.firstIndex(of: text) else {
      let near = nearest(to: text, among: names + ["ignore"]).map { "did you mean '\($0)'?" }
      throw ConfigurationError(
        item.place,
        "\(path): '\(clipped(text))' is no class; \(near ?? "write a class's number, its name in data.classes, or ignore")"
      )
    }
    return UInt8(number)
  }

  /// `voc`, `cityscapes`, or a list of colours.
  static var palette: Field {
    let color = ValueKind<[Int]>.list(
      3, of: .integer(0...255, example: 128), type: "a colour [red, green, blue]", example: "[128, 64, 128]")
    let example = "[[0, 0, 0], [128, 0, 0]]"
    let reference = KeyReference(
      path: "palette", type: "voc, cityscapes, a list of [red, green, blue], or null", unit: "", standard: "null",
      range: "0 to 255",
      meaning:
        "Colours that pictures show the classes in, one for each class. null: those of the data set that has classes of "
        + "these names (Cityscapes, CamVid), else VOC's.")
    return Field(
      "palette", reference,
      read: { owner, item, path throws(ConfigurationError) in
        switch item.text {
        case _ where item.isNull: owner.palette = nil
        case "voc": owner.palette = .voc
        case "cityscapes": owner.palette = .cityscapes
        default:
          guard let items = item.list else {
            throw ConfigurationError(
              item.place,
              "\(path): expected \(reference.type), found \(item.summary); for example 'palette: \(example)'")
          }
          var colors: [[UInt8]] = []
          for item in items { colors.append(try color.read(item, path: path).map { UInt8($0) }) }
          owner.palette = .colors(colors)
        }
      },
      write: { data in
        switch data.palette {
        case nil: "null"
        case .voc: "voc"
        case .cityscapes: "cityscapes"
        case .colors(let colors):
          "[" + colors.map { color.format($0.map(Int.init)) }.joined(separator: ", ") + "]"
        }
      })
  }
}
