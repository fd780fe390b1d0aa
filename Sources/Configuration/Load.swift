import Foundation

extension Configuration {
  /// Reads a configuration file.
  ///
  /// - Parameters:
  ///   - path: the file, YAML. With `extend: OTHER`, a path relative to this file, it is written over the other.
  ///   - overrides: arguments `KEY=VALUE` such as `data.root=/data/voc`, VALUE in YAML, written over the file in order.
  /// - Throws: ``ConfigurationError`` for anything in the file or overrides that does not make a complete, consistent
  ///   configuration; files of class names are read as well.
  public static func load(path: String, overrides: [String] = []) throws -> Configuration {
    try Configuration(Item.file(path, extending: []), source: path, overrides: overrides)
  }

  /// Reads a configuration from text.
  ///
  /// - Parameters:
  ///   - source: what messages call the text; `extend` is relative to it, as if it were a path.
  ///   - overrides: as in ``load(path:overrides:)``.
  public init(yaml: String, source: String, overrides: [String] = []) throws {
    let document = try Item.document(yaml: yaml, source: source).extended(path: source, extending: [])
    try self.init(document, source: source, overrides: overrides)
  }

  /// The numbers of classes and of channels that a configuration has, whatever else is wrong with it.
  ///
  /// - Throws: ``ConfigurationError``, where not even that can be told.
  public static func networkSize(
    yaml: String, source: String, overrides: [String] = []
  ) throws -> (classes: Int, channels: Int) {
    var document = try Item.document(yaml: yaml, source: source).extended(path: source, extending: [])
    for override in overrides { document = document.overlaid(with: try Item.override(override)) }
    var data = Data()
    let section = document[["data"]] ?? Item(content: .mapping(.init()), place: Place(source: source))
    for field in Data.fields where ["kind", "root", "classes", "channels"].contains(field.name) {
      try field.read(&data, section, "data.\(field.name)")
    }
    return (data.classes, data.channels)
  }

  /// The whole configuration as YAML, defaults included. Reading it gives an equal value, with no other file needed.
  public func yaml() -> String {
    lines().joined(separator: "\n") + "\n"
  }

  private init(_ document: Item, source: String, overrides: [String]) throws(ConfigurationError) {
    var document = document
    for override in overrides { document = document.overlaid(with: try Item.override(override)) }
    self.init()
    try Self.checkKeys(of: document, path: "")
    try read(from: document, path: "")
    try check(document, source: Place(source: source))
  }
}

extension Item {
  /// `a.b=VALUE` as sections.
  fileprivate static func override(_ argument: String) throws(ConfigurationError) -> Item {
    let place = Place(source: "--set " + clipped(argument))
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let keys = (parts.first ?? "").split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, keys.count <= 8, keys.allSatisfy({ !$0.isEmpty }) else {
      throw ConfigurationError(place, "expected KEY=VALUE, such as --set optimizer.learning_rate=0.01")
    }
    guard keys != ["extend"] else {
      throw ConfigurationError(place, "extend is for files; give the other file to --config, and override its keys")
    }
    guard !holdsComment(parts[1]) else {
      throw ConfigurationError(
        place, "YAML takes what follows '#' for a comment; write the value in quotes: --set '\(parts[0])=\"VALUE\"'")
    }
    var item = try value(yaml: String(parts[1]), place: place)
    for key in keys.reversed() {
      let entry = Mapping.Entry(key: String(key), place: place, value: item)
      item = Item(content: .mapping(Mapping(entries: [entry])), place: place)
    }
    return item
  }

  /// Whether a `#` outside quotes begins a comment, so that the rest of the value would be lost without a word.
  private static func holdsComment(_ value: Substring) -> Bool {
    var quote: Character?
    var before: Character = " "
    for character in value {
      if let open = quote {
        if character == open { quote = nil }
      } else if "\"'".contains(character), " [{,:".contains(before) {
        quote = character
      } else if character == "#", before.isWhitespace {
        return true
      }
      before = character
    }
    return false
  }

  /// The contents of a file, over those of the file it extends.
  ///
  /// - Parameter chain: the files that led here, each extending the next.
  fileprivate static func file(_ path: String, extending chain: [String]) throws(ConfigurationError) -> Item {
    guard let text = textFile(path) else {
      throw ConfigurationError(
        Place(source: path),
        "cannot read this configuration: \(fileProblem(path)); --config takes the path of a YAML "
          + "file, such as configs/voc.yaml")
    }
    return try document(yaml: text, source: path).extended(path: path, extending: chain)
  }

  /// `self` without its `extend`, over the file that names.
  fileprivate func extended(path: String, extending chain: [String]) throws(ConfigurationError) -> Item {
    guard case .mapping(var mapping) = content, let entry = mapping["extend"] else { return self }
    mapping.entries.removeAll { $0.key == "extend" }
    let own = Item(content: .mapping(mapping), place: place)
    let name = try ValueKind.text(type: "path of a configuration", example: "voc.yaml").read(
      entry.value, path: "extend")
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().relativePath
    let base = name.hasPrefix("/") ? name : folder == "." ? name : folder + "/" + name
    let chain = chain + [path]
    if chain.count > 32 || chain.contains(where: { Self.canonical($0) == Self.canonical(base) }) {
      throw ConfigurationError(
        entry.value.place,
        "extend: the files extend each other in a circle: \((chain + [base]).joined(separator: " → "))")
    }
    guard FileManager.default.fileExists(atPath: base) else {
      throw ConfigurationError(
        entry.value.place, "extend: there is no file '\(base)'; the path is relative to this file's folder")
    }
    return try Self.file(base, extending: chain).overlaid(with: own)
  }

  private static func canonical(_ path: String) -> String {
    URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL.path
  }
}
