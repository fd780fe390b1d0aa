import Foundation

// The section `data`, where what a key may be depends on the kind of data.

extension Configuration.Data: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "kind", \.kind, in: .init(), .choice(),
        "`voc` is a folder laid out as PASCAL VOC, `shapes` are images generated from `data.seed`."),
      .root,
      Field(
        "labeled", \.labeled, in: .init(), .listSource, unit: "images",
        required: { $0.kind == .voc ? "splits/labeled.txt" : "24" },
        "Labeled samples: path of a list for `voc`, one image ID a line, relative to `data.root`; a count for `shapes`."
      ),
      Field(
        "unlabeled", \.unlabeled, in: .init(), .orNull(.listSource), unit: "images",
        "Unlabeled samples, likewise. Required unless `u2pl.enabled` is off."),
      Field(
        "validation", \.validation, in: .init(), .orNull(.listSource), unit: "images",
        "Samples that evaluation uses, likewise; null means no evaluation."),
      .classes,
      Field(
        "mean", \.mean, in: .init(),
        .colour("-255 to 255", example: "[123.675, 116.28, 103.53]") { (-255...255).contains($0) },
        unit: "0–255", "Taken from red, green and blue …"),
      Field(
        "std", \.std, in: .init(),
        .colour("0.001 to 1000", example: "[58.395, 57.12, 57.375]") { (0.001...1000).contains($0) },
        unit: "0–255", "… which are then divided by this."),
      Field(
        "shuffle", \.shuffle, in: .init(), .toggle,
        "Whether lists are in a new order each pass. `off`: slot i of step k is line (k · batch + i) mod length."),
      Field(
        "size", \.size, in: .init(), .size(8...8192), unit: "pixels", applies: onlyShapes,
        "Size of generated images, one number or [height, width]; for `shapes` only."),
      Field(
        "seed", \.seed, in: .init(), .seed, applies: onlyShapes,
        "Key of the generated images; for `shapes` only. Apart from `run.seed`, so that runs of many seeds see the same data."
      ),
    ]
  }

  private static func onlyShapes(_ data: Self) -> String? {
    data.kind == .shapes ? nil : "is for data.kind shapes only; take it out, images of kind voc have their own size"
  }
}

extension ValueKind where Value == Configuration.ListSource {
  static var listSource: Self {
    let count = ValueKind<Int>.integer(1...10_000_000, example: 200)
    let path = ValueKind<String>.text(example: "splits/labeled.txt")
    return ValueKind(
      type: "path of a list, or a count", range: "counts: \(count.range)", example: path.example,
      parse: { item throws(Refusal) in
        if let text = item.plainText, Double(text) != nil { return .count(try count.parse(item)) }
        return .file(try path.parse(item))
      },
      format: { source in
        switch source {
        case .count(let value): count.format(value)
        case .file(let value): path.format(value)
        }
      })
  }
}

extension Field where Owner == Configuration.Data {
  /// Required for `voc`; `kind` is read before.
  fileprivate static var root: Field {
    let kind = ValueKind<String>.text(type: "path", example: "PATH", emptyAllowed: true)
    let reference = KeyReference(
      path: "root", type: kind.type, unit: "", standard: "required for voc", range: "",
      meaning: "Folder that holds the data, and that other paths of this section start from; itself relative to the "
        + "working directory.")
    let plain = Field(
      "root", reference,
      read: { owner, item, path throws(ConfigurationError) in owner.root = try kind.read(item, path: path) },
      write: { kind.format($0.root) })
    return Field(
      name: "root", references: plain.references, checkKeys: plain.checkKeys,
      read: { owner, section, path throws(ConfigurationError) in
        try plain.read(&owner, section, path)
        guard owner.kind != .voc || !owner.root.isEmpty else {
          let place = section.mapping?["root"]?.value.place ?? section.place
          throw ConfigurationError(missing: path, in: place, example: kind.example)
        }
      },
      write: plain.write)
  }

  /// A number, names, or a file of names; `root`, which the file's path starts from, is read before.
  fileprivate static var classes: Field {
    let reference = KeyReference(
      path: "classes", type: "a whole number, a list of names, or path of a file with a name a line", unit: "",
      standard: "required", range: "2 to 255 classes",
      meaning: "The classes, in the order of the labels 0, 1, …; 255 is never a class, its pixels are ignored.")
    return Field(
      "classes", reference, required: { _ in "21" },
      read: { owner, item, path throws(ConfigurationError) in
        (owner.classes, owner.classNames) = try classes(item, path: path, reference: reference, in: owner)
      },
      write: { data in
        guard let names = data.classNames else { return "\(data.classes)" }
        return "[" + names.map(quotedIfNeeded).joined(separator: ", ") + "]"
      })
  }

  private static func classes(
    _ item: Item, path: String, reference: KeyReference, in data: Owner
  ) throws(ConfigurationError) -> (Int, [String]?) {
    if let text = item.plainText, Double(text) != nil {
      return (try ValueKind.integer(2...255, example: 21).read(item, path: path), nil)
    }
    let kind = ValueKind<String>.text(type: "the name of a class", example: "[background, person]")
    var source = kind
    source.type = reference.type
    let items: [Item]
    if let list = item.list {
      items = list
    } else {
      items = try lines(of: data.resolve(try source.read(item, path: path)), path: path, at: item.place)
    }
    guard (2...255).contains(items.count) else {
      throw ConfigurationError(item.place, "\(path): \(items.count) names; there must be 2 to 255 classes")
    }
    var names: [String] = []
    for item in items {
      let name = try kind.read(item, path: path)
      guard !names.contains(name) else {
        throw ConfigurationError(item.place, "\(path): the name '\(clipped(name))' is given twice; names must differ")
      }
      names.append(name)
    }
    return (names.count, names)
  }

  /// The lines of a file that hold anything.
  private static func lines(of file: String, path: String, at place: Place) throws(ConfigurationError) -> [Item] {
    let text: String
    do {
      text = try String(contentsOfFile: file, encoding: .utf8)
    } catch {
      throw ConfigurationError(
        place,
        "\(path): cannot read the class names from '\(clipped(file))' (\(fileProblem(file))); write the path of a text "
          + "file with a name a line, relative to data.root, or a list [background, person], or a number")
    }
    return text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated().compactMap { line in
      let name = line.element.trimmingCharacters(in: .whitespaces)
      let place = Place(source: file, line: line.offset + 1)
      return name.isEmpty ? nil : Item(content: .scalar(name, quoted: true), place: place)
    }
  }
}

/// Why a text file could not be read.
func fileProblem(_ path: String) -> String {
  var isFolder: ObjCBool = false
  guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return "there is no such file" }
  if isFolder.boolValue { return "it is a folder" }
  return FileManager.default.isReadableFile(atPath: path) ? "it is not UTF-8 text" : "no permission to read it"
}
