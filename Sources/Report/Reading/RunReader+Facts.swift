import Configuration
import Files
import Foundation

extension RunReader {
  package struct Setting {
    let key: String
    let value: String
    let standard: String
    let differs: Bool
  }

  /// Every key with its value and its default.
  var settings: [Setting] {
    guard let configuration else { return [] }
    let own = configuration.settings
    let standards = Self.standards(of: own)
    let references = Dictionary(Configuration.reference.map { ($0.path, $0.standard) }) { first, _ in first }
    return own.map { setting in
      let documented = references[setting.key] ?? ""
      let standard = documented == "required" ? documented : standards[setting.key] ?? documented
      return Setting(
        key: setting.key, value: setting.value, standard: standard,
        differs: standard != "required" && standard != setting.value)
    }
  }

  /// The defaults of a configuration with these data: some depend on the number of classes.
  private static func standards(of settings: [Configuration.Setting]) -> [String: String] {
    let needed = ["kind", "root", "labeled", "unlabeled", "validation", "classes", "label_map"]
    let data = settings.filter { needed.contains(String($0.key.dropFirst("data.".count))) && $0.key.hasPrefix("data.") }
    let standard = try? Configuration(
      yaml: "data: {kind: voc}", source: "defaults", overrides: data.map { "\($0.key)=\($0.value)" })
    return Dictionary((standard?.settings ?? []).map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// A command that computes the same numbers again, on the same data.
  var command: String {
    let start = times.starts.last
    let ranks = start?.fact("ranks").flatMap { Int($0) } ?? 1
    var words = ranks > 1 ? ["mpirun", "-n", "\(ranks)"] : []
    words += [
      "u2pl", "train", "--config", Self.quoted(directory.configPath), "--run", Self.quoted(directory.path + "-again"),
    ]
    if let threads = start?.fact("threads"), configuration?.compute.threads == nil {
      words += ["--set", "compute.threads=\(threads)"]
    }
    return words.joined(separator: " ")
  }

  /// What the numbers depend on and what they are told apart by.
  var facts: [(name: String, value: String)] {
    var facts: [(String, String)] = []
    if let start = times.starts.last {
      for (key, name) in [
        ("version", "program"), ("host", "host of rank 0"), ("ranks", "ranks"), ("threads", "threads a rank"),
        ("cpu", "processor"), ("blas", "OpenBLAS kernels"), ("onednn", "oneDNN"), ("mpi", "MPI"),
      ] {
        if let value = start.fact(key), !value.isEmpty { facts.append((name, value)) }
      }
    }
    let names = [
      "git_commit": "commit", "labeled_list": "labeled list (entries, digest)",
      "unlabeled_list": "unlabeled list (entries, digest)", "validation_list": "validation list (entries, digest)",
      "digest": "digest of the newest checkpoint",
    ]
    let known = Set(facts.map(\.0) + ["version", "threads", "blas", "onednn", "mpi", "cpu"])
    for fact in record?.facts ?? [] where !known.contains(fact.key) {
      facts.append((names[fact.key] ?? fact.key.replacing("_", with: " "), fact.value))
    }
    if let digest = Self.digest(directory.configPath) { facts.append(("digest of config.yaml", digest)) }
    return facts
  }

  private static func digest(_ path: String) -> String? {
    guard let bytes = FileSystem.bytes(path) else { return nil }
    var digest = Digest()
    bytes.withUnsafeBytes { digest.add($0) }
    return digest.text
  }

  /// A word as a shell takes it.
  static func quoted(_ word: String) -> String {
    let plain = word.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || "0123456789/._-+=:,@%".unicodeScalars.contains($0)
    }
    return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
