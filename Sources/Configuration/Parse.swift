import Yams

extension Item {
  /// Longest text and most values that are read; a configuration is far below either.
  private static let limits = (bytes: 1 << 20, items: 100_000)

  /// Parses YAML whose root has keys.
  ///
  /// - Parameter source: what messages call the text, as a rule its path.
  /// - Throws: ``ConfigurationError`` with line and column for anything that is not one YAML document of keys.
  static func document(yaml: String, source: String) throws(ConfigurationError) -> Item {
    let file = Place(source: source)
    guard let root = try parse(yaml: yaml, file: file), !root.isNull else {
      throw ConfigurationError(
        file, "the file is empty; a configuration has at least 'data:' with 'root', 'labeled' and 'classes' below it")
    }
    guard root.mapping != nil else {
      throw ConfigurationError(
        root.place, "expected sections such as 'data:' with keys below them, found \(root.summary)")
    }
    return root
  }

  /// The value of an override, whatever its kind; `place` is the argument it came in.
  static func value(yaml: String, place: Place) throws(ConfigurationError) -> Item {
    do {
      guard var item = try parse(yaml: yaml, file: place) else {
        return Item(content: .scalar("", quoted: false), place: place)
      }
      item.relocate(to: place)
      return item
    } catch {
      throw ConfigurationError(place, error.message)
    }
  }

  private static func parse(yaml: String, file: Place) throws(ConfigurationError) -> Item? {
    guard yaml.utf8.count <= limits.bytes else {
      throw ConfigurationError(file, "longer than \(limits.bytes) bytes; this is not a configuration")
    }
    // The parser does not know the byte order mark some editors put first.
    let yaml = yaml.unicodeScalars.first == "\u{FEFF}" ? String(yaml.unicodeScalars.dropFirst()) : yaml
    do {
      guard let node = try Yams.compose(yaml: yaml, .default, .default, .utf8) else { return nil }
      var left = limits.items
      return try Item(node, in: file, left: &left)
    } catch let error as ConfigurationError {
      throw error
    } catch {
      throw ConfigurationError(yamlError: error, file: file, yaml: yaml)
    }
  }

  /// - Parameter left: how many values may still be made: an alias can stand for very many.
  private init(_ node: Node, in file: Place, left: inout Int) throws(ConfigurationError) {
    place = Place(source: file.source, line: node.mark?.line, column: node.mark?.column)
    left -= 1
    guard left > 0 else { throw ConfigurationError(place, "too many values; this is not a configuration") }
    switch node {
    case .scalar(let scalar):
      content = .scalar(scalar.string, quoted: scalar.style != .plain && scalar.style != .any)
    case .sequence(let sequence):
      var items: [Item] = []
      for node in sequence { items.append(try Item(node, in: file, left: &left)) }
      content = .list(items)
    case .mapping(let pairs):
      var mapping = Mapping()
      for (keyNode, valueNode) in pairs {
        let key = try Item(keyNode, in: file, left: &left)
        guard let name = key.text else {
          throw ConfigurationError(key.place, "expected the name of a key, found \(key.summary)")
        }
        guard mapping[name] == nil else { throw ConfigurationError(duplicate: name, at: key.place) }
        let value = try Item(valueNode, in: file, left: &left)
        mapping.entries.append(Mapping.Entry(key: name, place: key.place, value: value))
      }
      content = .mapping(mapping)
    case .alias:
      throw ConfigurationError(place, "an alias without its anchor; write the value out")
    }
  }

  private mutating func relocate(to place: Place) {
    self.place = place
    switch content {
    case .scalar: break
    case .list(var items):
      for index in items.indices { items[index].relocate(to: place) }
      content = .list(items)
    case .mapping(let mapping):
      var moved = Mapping()
      for entry in mapping.entries {
        var value = entry.value
        value.relocate(to: place)
        moved.entries.append(Mapping.Entry(key: entry.key, place: place, value: value))
      }
      content = .mapping(moved)
    }
  }
}

// MARK: - What the YAML parser says

extension ConfigurationError {
  fileprivate init(duplicate key: String, at place: Place) {
    self.init(place, "key '\(clipped(key))' is given more than once in this section; keep one")
  }

  fileprivate init(yamlError: any Error, file: Place, yaml: String) {
    func at(_ mark: Mark) -> Place { Place(source: file.source, line: mark.line, column: mark.column) }
    switch yamlError as? YamlError {
    case .parser(_, let problem, let mark, _) where problem.contains("nesting level"):
      self.init(at(mark), "not valid YAML: nested too deep")
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let tab = Self.hasTab(yaml, at: mark)
      let why = context.map { " \($0.text) at line \($0.mark.line)," } ?? ""
      let hint = tab ? "; YAML indents with spaces, and here is a tab" : ""
      self.init(at(mark), "not valid YAML:\(why) \(problem)\(hint)")
    case .reader(let problem, let offset, _, _):
      let before = yaml.prefix(offset ?? 0)
      let line = before.count { $0.isNewline } + 1
      let column = before.count - (before.lastIndex(where: \.isNewline).map { before[...$0].count } ?? 0) + 1
      let place = offset == nil ? file : Place(source: file.source, line: line, column: column)
      self.init(place, "not valid YAML: \(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      self.init(duplicate: keys.first ?? "", at: at(context.mark))
    default:
      self.init(file, "not valid YAML: \(yamlError)")
    }
  }

  private static func hasTab(_ yaml: String, at mark: Mark) -> Bool {
    let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.indices.contains(mark.line - 1) else { return false }
    return lines[mark.line - 1].unicodeScalars.dropFirst(mark.column - 1).first == "\t"
  }
}
