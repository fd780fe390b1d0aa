/// A value of a configuration file, still as text, that knows where it was written.
struct Item: Sendable {
  enum Content: Sendable {
    /// `quoted` text is never a number, nor null.
    case scalar(String, quoted: Bool)
    case list([Item])
    case mapping(Mapping)
  }

  struct Mapping: Sendable {
    struct Entry: Sendable {
      let key: String
      /// Where the key stands.
      let place: Place
      var value: Item
    }
    var entries: [Entry] = []
    /// The word, such as `off`, that was given for the section these keys were set over: keys not given are as it says.
    var over: String?

    subscript(key: String) -> Entry? { entries.first { $0.key == key } }
  }

  var content: Content
  var place: Place
}

extension Item {
  /// The text of a scalar.
  var text: String? {
    if case .scalar(let text, _) = content { text } else { nil }
  }

  /// The text of a scalar without quotes.
  var plainText: String? {
    if case .scalar(let text, quoted: false) = content { text } else { nil }
  }

  var list: [Item]? {
    if case .list(let items) = content { items } else { nil }
  }

  var mapping: Mapping? {
    if case .mapping(let mapping) = content { mapping } else { nil }
  }

  /// `null`, `~` or nothing at all.
  var isNull: Bool { plainText.map { ["", "~", "null", "Null", "NULL"].contains($0) } ?? false }

  /// The switch this is, in any of YAML 1.1's spellings.
  var bool: Bool? { text.flatMap(Self.bool) }

  fileprivate static func bool(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "on", "yes", "true": true
    case "off", "no", "false": false
    default: nil
    }
  }

  var isOff: Bool { bool == false }

  /// The word given in the place of a section, or of the one that its keys were set over; `off` in any spelling is `off`.
  var sectionWord: String? {
    guard let word = text ?? mapping?.over else { return nil }
    return Self.bool(word) == false ? "off" : word
  }

  /// For messages: such as `the text 'high'`.
  var summary: String {
    switch content {
    case .scalar where isNull: "nothing (null)"
    case .scalar(let text, quoted: false) where Double(text) != nil: "the number \(clipped(text))"
    case .scalar(let text, quoted: false) where bool != nil: "the switch '\(text)'"
    case .scalar(let text, quoted: false): "the text '\(clipped(text))'"
    case .scalar(let text, quoted: true): "the quoted text \"\(clipped(text))\""
    case .list(let items): "a list of \(items.count)"
    case .mapping: "a section of keys"
    }
  }
}

// MARK: - Overlaying

extension Item {
  /// What `self` becomes when `other` is written over it: sections are merged key by key, anything else is replaced.
  func overlaid(with other: Item) -> Item {
    guard case .mapping(let upper) = other.content else { return other }
    var merged = Mapping()
    switch content {
    case .mapping(let lower): merged = lower
    case .scalar(let word, _): merged.over = word
    case .list: break
    }
    merged.over = upper.over ?? merged.over
    for entry in upper.entries {
      if let index = merged.entries.firstIndex(where: { $0.key == entry.key }) {
        // A section whose keys are all commented out changes nothing.
        if entry.value.isNull, merged.entries[index].value.mapping != nil { continue }
        let value = merged.entries[index].value.overlaid(with: entry.value)
        merged.entries[index] = Mapping.Entry(key: entry.key, place: entry.place, value: value)
      } else {
        merged.entries.append(entry)
      }
    }
    // An override is the place of its own value only: what else the section lacks, the file lacks.
    let isPatch = other.place.line == nil && mapping != nil
    return Item(content: .mapping(merged), place: isPatch ? place : other.place)
  }

  /// The value at a path of keys.
  subscript(path: some Sequence<Substring>) -> Item? {
    var item = self
    for key in path {
      guard let next = item.mapping?[String(key)]?.value else { return nil }
      item = next
    }
    return item
  }
}

/// The start of `text`, on one line, short enough for a message.
func clipped(_ text: String, to limit: Int = 60) -> String {
  let line = String(text.prefix(limit).map { $0.isNewline ? " " : $0 })
  return text.count > limit ? line + "…" : line
}
