import Foundation

// The keys of the section `data` that say what the classes are called.

extension Field where Owner == Configuration.Data {
  /// A number, names, or a file of names; `kind`, which has names of its own, and `root`, which the file's path starts
  /// from, are read before.
  static var classes: Field {
    let reference = KeyReference(
      path: "classes", type: "a whole number, a list of names, or path of a file with a name a line", unit: "",
      standard: "by kind: voc, cityscapes, classes.txt for folder, else required", range: "2 to 255 classes",
      meaning:
        "The classes, in the order of the labels 0, 1, …; 255 is never a class, its pixels are ignored. In a file, "
        + "blank lines and lines that begin with `#` are skipped, and so is labelme's `__ignore__` before the first "
        + "class. `voc` and `cityscapes` stand for the 21 and 19 names of these data sets.")
    let given = Field(
      "classes", reference, required: { _ in "21" },
      read: { owner, item, path throws(ConfigurationError) in
        (owner.classes, owner.classNames) = try classes(item, path: path, reference: reference, in: owner)
      },
      write: { data in
        guard let names = data.classNames else { return "\(data.classes)" }
        return "[" + names.map(quotedIfNeeded).joined(separator: ", ") + "]"
      })
    return Field(
      name: given.name, references: given.references, checkKeys: given.checkKeys,
      read: { owner, section, path throws(ConfigurationError) in
        let standard: [Configuration.Data.Kind: String] = [
          .voc: "voc", .cityscapes: "cityscapes", .folder: "classes.txt",
        ]
        guard section.mapping?["classes"] == nil, let text = standard[owner.kind] else {
          return try given.read(&owner, section, path)
        }
        let item = Item(content: .scalar(text, quoted: false), place: section.place)
        (owner.classes, owner.classNames) = try classes(item, path: path, reference: reference, in: owner)
      }, write: given.write)
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
    } else if let names = item.text.flatMap({ Configuration.Data.builtInClasses[$0] }) {
      return (names.count, names)
    } else {
      let file = data.resolve(try source.read(item, path: path))
      items = try lines(of: file, in: data, path: path, at: item.place)
    }
    guard (2...255).contains(items.count) else {
      throw ConfigurationError(
        item.place, "\(path): \(items.count) name\(items.count == 1 ? "" : "s"); there must be 2 to 255 classes")
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

  /// labelme's name, number −1 in its list of classes, for pixels that belong to no class.
  private static let unlabeledName = "__ignore__"

  /// Whether all lines have the same number of fields, above one, and all but a heading have a number among them, as in
  /// `name,r,g,b`.
  private static func isTable(_ lines: [String]) -> Bool {
    let rows = lines.map { line in
      line.split(omittingEmptySubsequences: false) { ",;\t".contains($0) }.map {
        $0.trimmingCharacters(in: .whitespaces)
      }
    }
    guard rows.count > 1, let count = rows.first?.count, count > 1, rows.allSatisfy({ $0.count == count }) else {
      return false
    }
    return rows.dropFirst().allSatisfy { $0.contains { Double($0) != nil } }
  }

  /// The lines of a file that name a class: not those that are blank, comments as in lists of images, or `__ignore__`.
  private static func lines(
    of file: String, in data: Owner, path: String, at place: Place
  ) throws(ConfigurationError) -> [Item] {
    guard let text = textFile(file) else {
      if let problem = data.rootProblem, !FileManager.default.fileExists(atPath: file) {
        throw ConfigurationError(data.rootPlace.place.map { Place(source: $0) } ?? place, problem)
      }
      throw ConfigurationError(
        place,
        "\(path): cannot read the class names from '\(file)' (\(fileProblem(file))); write the path of a text "
          + "file with a name a line, relative to data.root, or a list [background, person], or a number")
    }
    var items: [Item] = []
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      // DOS programs end a text with Ctrl-Z.
      let name = line.trimmingCharacters(in: .whitespaces.union(["\u{1A}"]))
      let place = Place(source: file, line: number + 1)
      guard !name.isEmpty, !name.hasPrefix("#") else { continue }
      guard name != unlabeledName else {
        guard items.isEmpty else {
          throw ConfigurationError(
            place,
            "\(path): '\(unlabeledName)' is labelme's name for pixels of no class, and may stand only before the first "
              + "class; remove the line")
        }
        continue
      }
      items.append(Item(content: .scalar(name, quoted: true), place: place))
    }
    if let first = items.first, isTable(items.compactMap(\.text)) {
      throw ConfigurationError(
        first.place,
        "\(path): the lines are rows of a table, but each line is read as a name; write the names alone, one a line")
    }
    return items
  }
}

extension Configuration.Data {
  /// Names of the classes of well-known data sets, in the order of the labels.
  static let builtInClasses = [
    "voc": [
      "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
      "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
    ],
    "cityscapes": [
      "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
      "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    ],
  ]
}
