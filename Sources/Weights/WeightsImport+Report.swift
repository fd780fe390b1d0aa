import Network

extension WeightsImport {
  /// What was loaded, skipped and is missing, by parts of the network; names where there are few, or all if `verbose`.
  public func report(verbose: Bool) -> [String] {
    var lines: [String] = []
    func list(_ title: String, _ names: [String]) {
      if names.count <= 8 || !verbose {
        lines.append("  \(names.count) \(title): \(WeightsFit.list(names))")
      } else {
        lines.append("  \(names.count) \(title):")
        lines += names.map { "    \($0)" }
      }
    }
    for file in files {
      lines.append("\(file.source): \(file.tensors.count) tensors, \(file.names.kind.words)")
      for skipped in file.names.skipped { list("skipped, \(skipped.reason)", skipped.names) }
    }
    lines += [""] + table() + [""]
    if verbose { list("loaded", fit.fitting) }
    if !fit.superfluous.isEmpty { list("skipped, the model has no auxiliary head", fit.superfluous) }
    if !fit.missing.isEmpty { list("missing", fit.missing) }
    if !fit.unknown.isEmpty { list("skipped, unknown", fit.unknown) }
    if !fit.misshapen.isEmpty { list("skipped, misshapen", fit.misshapen.map { "\($0.name) \($0.reason)" }) }
    if fit.missingCounters > 0 {
      lines.append("  \(fit.missingCounters) num_batches_tracked are not there and start at 0, which changes nothing")
    }
    if let absence = fit.absence { lines.append("  \(absence)") }
    return lines
  }

  /// A row for each stage of the encoder and each branch of the decoder.
  private func table() -> [String] {
    struct Row { var loaded = 0, missing = 0, unfit = 0, numbers = 0 }
    var order: [String] = []
    var rows: [String: Row] = [:]
    let fitting = Set(fit.fitting), missing = Set(fit.missing), misshapen = Set(fit.misshapen.map(\.name))
    for entry in entries {
      let stage = Self.stage(entry.name)
      if rows[stage] == nil { order.append(stage) }
      var row = rows[stage] ?? Row()
      if fitting.contains(entry.name) {
        row.loaded += 1
        row.numbers += entry.count
      }
      if missing.contains(entry.name) { row.missing += 1 }
      if misshapen.contains(entry.name) { row.unfit += 1 }
      rows[stage] = row
    }
    func cells(_ title: String, _ values: [String]) -> String {
      "  " + title.padding(toLength: 24, withPad: " ", startingAt: 0)
        + values.map { String(repeating: " ", count: max(1, 10 - $0.count)) + $0 }.joined()
    }
    let absent = Set(fit.absentParts)
    return [cells("part", ["loaded", "missing", "misshapen", "numbers"])]
      + order.compactMap { stage in
        guard let row = rows[stage], !absent.contains(WeightsFit.part(stage + ".")) else { return nil }
        return cells(stage, [row.loaded, row.missing, row.unfit, row.numbers].map(String.init))
      }
  }

  /// `encoder.stem`, `encoder.layer3`, `decoder.aspp` …
  private static func stage(_ name: String) -> String {
    let parts = name.split(separator: ".")
    guard parts.count > 2 else { return String(parts[0]) }
    return parts[0] == "encoder" && !parts[1].hasPrefix("layer") ? "encoder.stem" : "\(parts[0]).\(parts[1])"
  }
}

extension WeightNames.Kind {
  /// For reports.
  public var words: String {
    switch self {
    case .network(let prefix): "the published names" + (prefix.isEmpty ? "" : " below '\(prefix)'")
    case .encoder(let prefix): "names of a torchvision or timm ResNet" + (prefix.isEmpty ? "" : " below '\(prefix)'")
    case .other: "names of no ResNet"
    }
  }
}
