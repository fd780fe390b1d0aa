import HDF5
import Network

/// How tensors, by their published names, fit a network.
public struct WeightsFit: Sendable {
  /// Names whose values the network can take, counters too.
  public private(set) var fitting: [String] = []
  /// Names the tensors lack. Counters may be missing: files converted from elsewhere often leave `num_batches_tracked`
  /// out.
  public private(set) var missing: [String] = []
  public private(set) var missingCounters = 0
  /// Names the network does not have.
  public private(set) var unknown: [String] = []
  /// Names with what is wrong with their shape or type.
  public private(set) var misshapen: [(name: String, reason: String)] = []
  /// Parts of the network of which there is nothing at all, such as `decoder`.
  public private(set) var absentParts: [String] = []
  /// The auxiliary head, where the network has none.
  public private(set) var superfluous: [String] = []

  /// - Parameter maySkipParts: whether parts but the encoder may be missing as a whole; they are then in `absentParts`,
  ///   their names not in `missing`.
  public init(_ tensors: [String: StoredDataset], to entries: [ParameterEntry], maySkipParts: Bool) {
    let present = Set(tensors.keys.map(Self.part))
    let wanted = Set(entries.map { Self.part($0.name) })
    if maySkipParts { absentParts = wanted.subtracting(present).subtracting(["encoder"]).sorted() }
    for entry in entries where !absentParts.contains(Self.part(entry.name)) {
      guard let tensor = tensors[entry.name] else {
        if entry.kind == .counter { missingCounters += 1 } else { missing.append(entry.name) }
        continue
      }
      if !entry.accepts(tensor.shape) {
        misshapen.append((entry.name, "is \(tensor.shape), not \(entry.shape)"))
      } else if entry.kind != .counter, !tensor.isFloat {
        misshapen.append((entry.name, "holds integers, not floating-point numbers"))
      } else {
        fitting.append(entry.name)
      }
    }
    let known = Set(entries.map(\.name))
    for name in tensors.keys.sorted() where !known.contains(name) {
      if maySkipParts, Self.part(name) == "auxor", !wanted.contains("auxor") {
        superfluous.append(name)
      } else {
        unknown.append(name)
      }
    }
  }

  /// Whether nothing is wrong.
  public var isComplete: Bool { missing.isEmpty && unknown.isEmpty && misshapen.isEmpty }

  /// The parts of the network that start from the seed, in words; nil when no part is absent.
  public var absence: String? {
    // A file without a decoder has no representation head either.
    let parts = absentParts.filter { $0 != "decoder.representation" || !absentParts.contains("decoder") }
    return parts.isEmpty ? nil : "has no \(parts.joined(separator: " and no ")), which starts from run.seed"
  }

  /// The misfits, a line for each kind, with every name; empty when all fits.
  public func problems(_ source: String) -> [String] {
    let lists = [
      ("missing", missing), ("unknown", unknown), ("misshapen", misshapen.map { "\($0.name) \($0.reason)" }),
    ]
    return lists.compactMap { what, names in
      names.isEmpty ? nil : "\(source): \(names.count) \(what): \(names.joined(separator: ", "))"
    }
  }

  /// The part of a network that a name belongs to: encoder, decoder, the decoder's representation head, auxiliary head.
  public static func part(_ name: String) -> String {
    let representation = "decoder.representation"
    return name.hasPrefix(representation + ".") ? representation : String(name.prefix { $0 != "." })
  }

  /// Names for a message: all of a few, else the first of them and how many more there are.
  public static func list(_ names: [String]) -> String {
    guard names.count > 8 else { return names.joined(separator: ", ") }
    return names.prefix(6).joined(separator: ", ") + " and \(names.count - 6) more"
  }
}

extension ParameterEntry {
  /// Whether values of this shape can be taken: the published shape, and [1] for a counter's [].
  fileprivate func accepts(_ other: [Int]) -> Bool { other == shape || kind == .counter && other == [1] }
}

extension StoredDataset {
  fileprivate var isFloat: Bool {
    if case .float32 = values { true } else { false }
  }
}
