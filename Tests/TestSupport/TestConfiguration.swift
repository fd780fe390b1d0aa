import Configuration

/// A configuration of the given sections on top of a small generated data set.
public func configuration(classes: Int = 4, _ sections: String) throws -> Configuration {
  let yaml = """
    data: {kind: shapes, labeled: 8, unlabeled: 8, classes: \(classes), size: 33}
    augment: off
    \(sections)
    """
  return try Configuration(yaml: yaml, source: "test", overrides: [])
}
