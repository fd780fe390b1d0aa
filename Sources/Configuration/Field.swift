/// A part of the configuration that is written as a mapping of keys.
protocol Section {
  static var fields: [Field<Self>] { get }
}

/// One key of a section: how it is documented, read and written. All three come from the same line of `Keys.swift`.
struct Field<Owner> {
  let name: String
  /// This key and, when it is a section, those below it.
  let references: [KeyReference]
  /// Finds unknown keys below this one.
  let checkKeys: (Item, _ path: String) throws(ConfigurationError) -> Void
  /// Sets the owner's value from what the section, a mapping, holds; what it does not hold stays.
  let read: (inout Owner, _ section: Item, _ path: String) throws(ConfigurationError) -> Void
  /// Lines of YAML; none when the key has no meaning for this owner.
  let write: (Owner) -> [String]
}

extension Field {
  /// A key with a value of `kind`.
  ///
  /// - Parameters:
  ///   - standard: the default, for the documentation; nil takes it from `owner`.
  ///   - required: an example for a message that the key is missing; nil for a key that need not be there.
  ///   - applies: whether the key has a meaning, and if not, why.
  init<Value>(
    _ name: String, _ value: WritableKeyPath<Owner, Value>, in owner: Owner, _ kind: ValueKind<Value>,
    unit: String = "", standard: String? = nil, required: ((Owner) -> String)? = nil,
    applies: @escaping (Owner) -> String? = { _ in nil }, _ meaning: String
  ) {
    let standard = required != nil ? "required" : standard ?? kind.format(owner[keyPath: value])
    self.init(
      name,
      KeyReference(
        path: name, type: kind.type, unit: unit, standard: standard, range: kind.range, meaning: meaning),
      required: required, applies: applies,
      read: { owner, item, path throws(ConfigurationError) in
        owner[keyPath: value] = try kind.read(item, path: path)
      },
      write: { kind.format($0[keyPath: value]) })
  }

  /// A key whose reading needs more than its own text.
  init(
    _ name: String, _ reference: KeyReference, required: ((Owner) -> String)? = nil,
    applies: @escaping (Owner) -> String? = { _ in nil },
    read: @escaping (inout Owner, Item, _ path: String) throws(ConfigurationError) -> Void,
    write: @escaping (Owner) -> String
  ) {
    self.name = name
    references = [reference]
    checkKeys = { _, _ in }
    self.read = { owner, section, path throws(ConfigurationError) in
      guard let item = section.mapping?[name]?.value else {
        if let required {
          throw ConfigurationError(missing: path, in: section.place, example: required(owner))
        }
        return
      }
      if let reason = applies(owner) {
        throw ConfigurationError(section.mapping?[name]?.place ?? item.place, "\(path) \(reason)")
      }
      try read(&owner, item, path)
    }
    self.write = { applies($0) == nil ? ["\(name): \(write($0))"] : [] }
  }

  /// A section below this one.
  ///
  /// - Parameters:
  ///   - start: the section's values before any key is read.
  ///   - words: its values when one of these is given in its place, such as `off`.
  init<Part: Section>(
    section name: String, _ part: WritableKeyPath<Owner, Part>, start: @escaping (Owner) -> Part,
    words: [String: Part] = [:]
  ) {
    self.name = name
    references = Part.fields.flatMap(\.references).map { $0.below(name) }
    checkKeys = { item, path throws(ConfigurationError) in try Part.checkKeys(of: item, path: path) }
    read = { owner, section, path throws(ConfigurationError) in
      var value = start(owner)
      var item = section.mapping?[name]?.value ?? Item(content: .mapping(.init()), place: section.place.file)
      // What a section that only overrides made lacks, the file lacks.
      if item.mapping != nil, item.place.line == nil { item.place = section.place.file }
      let ofWord = item.sectionWord.flatMap { words[$0] }
      if let ofWord { value = ofWord }
      if item.mapping != nil || item.isNull {
        try value.read(from: item, path: path)
      } else if ofWord == nil {
        let others = words.keys.sorted().joined(separator: " or ")
        throw ConfigurationError(
          item.place,
          "\(path): expected keys indented below it\(others.isEmpty ? "" : ", or \(others)"), found \(item.summary)")
      }
      owner[keyPath: part] = value
    }
    write = { owner in
      ["\(name):"] + owner[keyPath: part].lines().map { "  " + $0 }
    }
  }
}

extension Section {
  /// Sets every key that `item`, a mapping or null, holds.
  mutating func read(from item: Item, path: String) throws(ConfigurationError) {
    for field in Self.fields {
      try field.read(&self, item, path.isEmpty ? field.name : "\(path).\(field.name)")
    }
  }

  /// All keys, in the order of the documentation.
  func lines() -> [String] { Self.fields.flatMap { $0.write(self) } }

  /// Throws at the first key that is none of this section's, nor of a section's below it.
  static func checkKeys(of item: Item, path: String) throws(ConfigurationError) {
    for entry in item.mapping?.entries ?? [] {
      let below = path.isEmpty ? entry.key : "\(path).\(entry.key)"
      guard let field = fields.first(where: { $0.name == entry.key }) else {
        let allowed = fields.map(\.name) + (path.isEmpty ? ["extend"] : [])
        throw ConfigurationError(unknown: entry.key, at: entry.place, in: path, allowed: allowed)
      }
      try field.checkKeys(entry.value, below)
    }
  }
}

extension ValueKind {
  /// The value of the key at `path`, or an error that says what to write.
  func read(_ item: Item, path: String) throws(ConfigurationError) -> Value {
    do {
      return try parse(item)
    } catch {
      let key = path.split(separator: ".").last ?? ""
      let example = "for example '\(key): \(self.example)'"
      let message =
        switch error.reason {
        case .type: "expected \(type), found \(error.item.summary); \(example)"
        case .range: "\(error.item.text.map { clipped($0) } ?? "it") is out of range: \(range); \(example)"
        case .other(let reason): reason
        }
      throw ConfigurationError(error.item.place, "\(path): \(message)")
    }
  }
}

extension ConfigurationError {
  fileprivate init(unknown key: String, at place: Place, in path: String, allowed: [String]) {
    let section = path.isEmpty ? "" : " in '\(path)'"
    let hint: String
    let elsewhere = Configuration.reference.map(\.path).filter { $0.hasSuffix(".\(key)") }
    if let near = nearest(to: key, among: allowed) {
      hint = "did you mean '\(near)'?"
    } else if let dot = key.firstIndex(of: "."), path.isEmpty {
      hint =
        "write '\(clipped(String(key[..<dot]))):' and, indented below it, '\(clipped(String(key[dot...].dropFirst()))):'"
    } else if let found = elsewhere.first, elsewhere.count == 1 {
      hint = "did you mean '\(found)'?"
    } else {
      hint = "allowed here: \(allowed.joined(separator: ", "))"
    }
    self.init(place, "unknown key '\(clipped(key))'\(section); \(hint)")
  }

  /// A required key that is not there; `place` is the section's, or the file's when the section is missing as well.
  init(missing path: String, in place: Place, example: String) {
    let parts = path.split(separator: ".")
    let inFile = parts.count == 2 ? "'\(parts[1]): \(example)' below '\(parts[0]):'" : "'\(path): \(example)'"
    self.init(place, "\(path) is missing; write \(inFile), or give it as --set \(path)=\(example)")
  }
}
