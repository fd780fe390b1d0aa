/// The documentation of one key.
public struct KeyReference: Sendable, Equatable {
  /// Such as `data.root`.
  public let path: String
  public let type: String
  /// Empty for a number without unit, and for anything that is no number.
  public let unit: String
  /// The default as YAML, or in words.
  public let standard: String
  /// Empty when every value of the type will do.
  public let range: String
  public let meaning: String

  func below(_ section: String) -> KeyReference {
    KeyReference(
      path: "\(section).\(path)", type: type, unit: unit, standard: standard, range: range, meaning: meaning)
  }
}

extension Configuration {
  /// Every key, in the order ``yaml()`` writes them.
  public static var reference: [KeyReference] { Self.fields.flatMap(\.references) }

  /// ``reference`` as the Markdown tables of `docs/config.md`, one a section.
  public static func referenceTables() -> String {
    var text = ""
    var last: Substring?
    for key in reference {
      let parts = key.path.split(separator: ".", maxSplits: 1)
      let section = parts.count > 1 ? parts[0] : "Top level"
      if section != last {
        text += "\(last == nil ? "" : "\n")### \(section)\n\n"
        text += "| key | type | unit | default | range | meaning |\n|---|---|---|---|---|---|\n"
        last = section
      }
      let cells = ["`\(key.path)`", key.type, key.unit, "`\(key.standard)`", key.range, key.meaning]
      text += "| " + cells.joined(separator: " | ") + " |\n"
    }
    return text
  }
}
