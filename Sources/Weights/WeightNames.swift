import Checkpoint
import Network

/// From the names in a weights file to those of the published code, which are this program's:
/// `encoder.layer1.0.conv1.weight`, `decoder.aspp.conv3.0.weight`.
///
/// Files come as one of two kinds. A *network* has the published names, below any prefix that wrappers have put there
/// (`module.`, `model.`). An *encoder alone* has the names that torchvision and timm give their ResNets
/// (`layer1.0.conv1.weight`, `fc.bias`), by themselves or below a prefix such as `backbone.`. What stands before
/// `layer1.0.conv1.weight` tells which, and is the prefix.
public struct WeightNames: Sendable, Equatable {
  /// Where the names come from.
  public enum Kind: Sendable, Equatable {
    /// The published names, below this prefix.
    case network(prefix: String)
    /// torchvision's and timm's names of a ResNet, below this prefix.
    case encoder(prefix: String)
    /// No name is a ResNet's; prefixes of wrappers are removed.
    case other
  }

  /// Names that are left out for one reason.
  public struct Skipped: Sendable, Equatable {
    public let reason: String
    /// As in the file, sorted.
    public let names: [String]
  }

  public let kind: Kind
  /// The published name for each name of the file that has one. It need not be one of the model's.
  public let targets: [String: String]
  public let skipped: [Skipped]
  /// Whether the file's ResNet pools before the 1×1 convolutions of its skip connections, as timm's `resnet50d` does.
  public let poolsBeforeProjection: Bool

  /// - Parameters:
  ///   - names: all of the file.
  ///   - prefix: of the network to take, where the file has several.
  ///   - file: its name in messages.
  /// - Throws: ``CheckpointError`` when it has several networks and none is chosen, or two names that mean the same.
  public init(_ names: some Sequence<String>, prefix: String? = nil, file: String) throws {
    let names = names.sorted()
    let kind = try Self.kind(names, prefix: prefix, file: file)
    var targets: [String: String] = [:]
    var sources: [String: String] = [:]
    var skipped: [String: [String]] = [:]
    var pools = false
    for name in names {
      switch Self.meaning(of: name, kind) {
      case .target(let target):
        if let other = sources.updateValue(name, forKey: target) {
          throw CheckpointError(description: "\(file): '\(other)' and '\(name)' both stand for \(target); remove one")
        }
        targets[name] = target
      case .skip(let reason): skipped[reason, default: []].append(name)
      case .pooledProjection: pools = true
      }
    }
    if pools {
      // `downsample.0` is a pooling layer without parameters, so the others' numbers are one higher than the published
      // ones.
      let all = names.filter {
        Self.meaning(of: $0, kind) == .pooledProjection || targets[$0]?.contains(".0.downsample.") == true
      }
      for name in all { targets[name] = nil }
      skipped["its skip connections pool before they project, ours do not", default: []] += all
    }
    self.kind = kind
    self.targets = targets
    self.skipped = skipped.map { Skipped(reason: $0, names: $1.sorted()) }.sorted { $0.reason < $1.reason }
    poolsBeforeProjection = pools
  }

  /// The parameter every ResNet has once.
  private static let mark = "layer1.0.conv1.weight"

  /// First components of a ResNet's names, without the classifier it was trained with.
  private static let encoderParts: Set<Substring> = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]

  /// What stands before each encoder's names.
  public static func encoderPrefixes(of names: some Sequence<String>) -> [String] {
    names.filter { $0 == mark || $0.hasSuffix("." + mark) }.map { String($0.dropLast(mark.count)) }.sorted()
  }

  private static func kind(_ names: [String], prefix: String?, file: String) throws -> Kind {
    var roots = encoderPrefixes(of: names)
    if let prefix {
      let prefix = prefix.isEmpty || prefix.hasSuffix(".") ? prefix : prefix + "."
      let wanted = roots.filter { $0 == prefix || $0 == prefix + "encoder." }
      guard !wanted.isEmpty else {
        throw CheckpointError(
          description: "\(file): no ResNet has the prefix '\(prefix)'"
            + (roots.isEmpty ? "" : "; there \(roots.count == 1 ? "is" : "are") \(quoted(roots))"))
      }
      roots = wanted
    }
    guard roots.count <= 1 else {
      throw CheckpointError(
        description: "\(file): holds several networks, whose encoders' names begin with \(quoted(roots)); choose one: "
          + "u2pl weights import \(file) --prefix PREFIX -o OUT.h5")
    }
    guard let root = roots.first else { return .other }
    let isPublished = root == "encoder." || root.hasSuffix(".encoder.")
    return isPublished ? .network(prefix: String(root.dropLast("encoder.".count))) : .encoder(prefix: root)
  }

  private enum Meaning: Equatable {
    case target(String)
    case skip(String)
    case pooledProjection
  }

  private static func meaning(of name: String, _ kind: Kind) -> Meaning {
    let target: String
    switch kind {
    case .network(let prefix):
      guard name.hasPrefix(prefix) else { return .skip("not below '\(prefix)'") }
      target = String(name.dropFirst(prefix.count))
    case .encoder(let prefix):
      guard name.hasPrefix(prefix) else { return .skip("not below '\(prefix)'") }
      let rest = name.dropFirst(prefix.count)
      guard let part = rest.split(separator: ".").first else { return .skip("no part of the encoder") }
      if part == "fc" { return .skip("the classifier it was trained with") }
      guard encoderParts.contains(part) else { return .skip("no part of the encoder") }
      target = "encoder." + rest
    case .other:
      var rest = name[...]
      while rest.hasPrefix("module.") || rest.hasPrefix("model.") {
        rest = rest[rest.index(after: rest.firstIndex(of: ".")!)...]
      }
      target = String(rest)
    }
    let isPooled = target.hasPrefix("encoder.layer") && target.contains(".0.downsample.2.")
    return isPooled ? .pooledProjection : .target(target)
  }

  private static func quoted(_ names: [String]) -> String {
    names.prefix(6).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 6 ? ", …" : "")
  }
}
