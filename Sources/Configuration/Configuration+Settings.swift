extension Configuration {
  /// One key, such as `optimizer.learning_rate`, and its value as YAML.
  public struct Setting: Sendable, Equatable {
    public let key: String
    public let value: String
  }

  /// Every key with its value, defaults included, in the order of the documentation.
  public var settings: [Setting] {
    var sections: [Substring] = []
    var found: [Setting] = []
    for line in lines() {
      let depth = line.prefix { $0 == " " }.count / 2
      let text = line.dropFirst(2 * depth)
      let name = text.prefix { $0 != ":" }
      sections = sections.prefix(depth) + [name]
      let value = text.dropFirst(name.count + 1).drop { $0 == " " }
      if !value.isEmpty { found.append(Setting(key: sections.joined(separator: "."), value: String(value))) }
    }
    return found
  }
}
