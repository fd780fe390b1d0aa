import Files

extension Digest {
  /// A dataset under its path: path, element type, shape, data.
  package mutating func add(_ dataset: StoredDataset, at path: String) {
    add(path)
    add(dataset.values.type.name)
    add(UInt64(dataset.shape.count))
    for extent in dataset.shape { add(UInt64(bitPattern: Int64(extent))) }
    dataset.values.withUnsafeBytes { add($0) }
  }

  /// All attributes, in the order of their names.
  package mutating func add(_ attributes: [String: AttributeValue]) {
    add(UInt64(attributes.count))
    for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
      add(name)
      switch value {
      case .int(let number):
        add("int")
        add(UInt64(bitPattern: number))
      case .double(let number):
        add("double")
        add(number.bitPattern)
      case .string(let text):
        add("string")
        add(text)
      }
    }
  }
}
