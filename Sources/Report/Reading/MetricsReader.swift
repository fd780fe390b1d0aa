import Files

/// What a run's `metrics.jsonl` says, read as it grows into a bounded amount of memory.
package struct MetricsReader {
  /// One evaluation on the validation list.
  package struct Evaluation: Sendable {
    /// The number of the last step before it.
    let step: Int
    let network: String
    let images: Int?
    /// By name: `mean_iou`, `pixel_accuracy`, `mean_accuracy`, `mean_dice`, as far as the line has them.
    let scores: [String: Double]
    package let iou: [Double?]
    let dice: [Double?]
  }

  /// Steps: losses, γ_t, rates and the like.
  package private(set) var steps = CurveTable(limit: 4096)
  /// The same steps: what has a number a class, `anchors/3` and so on.
  package private(set) var classes = CurveTable(limit: 1024)
  private(set) var evaluations = CurveTable(limit: 4096)
  private(set) var evidence = CurveTable(limit: 2048)
  package private(set) var last: Evaluation?
  private(set) var best: Evaluation?
  private(set) var evaluationCount = 0
  /// Steps, and the last of them; nil before the first.
  package private(set) var stepCount = 0
  package private(set) var lastStep: Int?
  /// Seconds of steps and evaluations until now.
  package private(set) var seconds = 0.0
  /// Classes that the lines have numbers for.
  private(set) var classCount = 0
  /// Numbers of the first lines that are damaged, and how many there are.
  package private(set) var firstDamaged: [Int] = []
  private var brokenCount = 0
  /// Lines of steps that an earlier line has told of already.
  package private(set) var repeatedCount = 0
  private var columnNames: [String: [String]] = [:]
  private var file: GrowingFile

  static let scalars = [
    "loss", "supervised", "unsupervised", "contrastive", "gamma", "alpha", "reliable_share", "confidence", "weight",
    "learning_rate", "gradient_norm", "seconds",
  ]
  static let ofClasses = ["anchors", "negatives_labeled", "negatives_unlabeled", "bank", "gamma_of_class"]
  private static let scores = ["mean_iou", "pixel_accuracy", "mean_accuracy", "mean_dice"]
  private static let evidences = ["fold_mean_iou", "mean_iou", "best_mean_iou", "weight"]

  init(path: String) { file = GrowingFile(path: path) }

  /// Lines that are left out because they are no metrics, an unfinished last one included.
  package var damagedCount: Int { brokenCount + (file.hasRest ? 1 : 0) }

  /// Reads what has been appended.
  ///
  /// - Throws: `FileError`.
  mutating func refresh() throws {
    var reader = file
    defer { file = reader }
    try reader.read(restart: { self = MetricsReader(path: file.path) }) { line, number in
      guard let value = JSONValue(line), take(value) else {
        brokenCount += 1
        if firstDamaged.count < 8 { firstDamaged.append(number) }
        return
      }
    }
  }

  /// - Returns: whether it is a line of metrics.
  private mutating func take(_ line: JSONValue) -> Bool {
    guard let step = line["step"]?.whole, step >= 0 else { return false }
    if let value = line["evaluation"] { return take(evaluation: value, step: step) }
    if let value = line["evidence"] {
      guard value["weight"]?.number != nil else { return false }
      evidence.begin(step: step, seconds: seconds)
      for name in Self.evidences { evidence.set(name, value[name]?.number) }
      return true
    }
    guard let loss = line["loss"] else { return line.members.count > 1 }
    guard loss.number != nil || loss == .null else { return false }
    if let lastStep, step <= lastStep {
      repeatedCount += 1
      return true
    }
    stepCount += 1
    lastStep = step
    seconds += line["seconds"]?.number ?? 0
    steps.begin(step: step, seconds: seconds)
    classes.begin(step: step, seconds: seconds)
    // In the order of the line, so that no key is looked for.
    for member in line.members {
      if let number = member.value.number {
        steps.set(member.key, number)
      } else if Self.ofClasses.contains(member.key), let numbers = member.value.numbers, !numbers.isEmpty {
        classCount = max(classCount, numbers.count)
        let columns = names(of: member.key, count: numbers.count)
        for (c, number) in numbers.enumerated() { classes.set(columns[c], number) }
      }
    }
    return true
  }

  /// `anchors/0`, `anchors/1` …
  private mutating func names(of key: String, count: Int) -> [String] {
    if let names = columnNames[key], names.count == count { return names }
    let names = (0..<count).map { "\(key)/\($0)" }
    columnNames[key] = names
    return names
  }

  private mutating func take(evaluation value: JSONValue, step: Int) -> Bool {
    guard let mean = value["mean_iou"]?.number, let iou = value["iou"]?.numbers else { return false }
    if let last, step <= last.step {
      repeatedCount += 1
      return true
    }
    seconds += value["seconds"]?.number ?? 0
    var scores: [String: Double] = [:]
    for name in Self.scores { scores[name] = value[name]?.number }
    let evaluation = Evaluation(
      step: step, network: value["network"]?.text ?? "", images: value["images"]?.whole, scores: scores, iou: iou,
      dice: value["dice"]?.numbers ?? [])
    last = evaluation
    if best.map({ mean > $0.scores["mean_iou"]! }) ?? true { best = evaluation }
    evaluationCount += 1
    classCount = max(classCount, iou.count)
    evaluations.begin(step: step, seconds: seconds)
    for (name, score) in scores { evaluations.set(name, score) }
    for (c, value) in iou.enumerated() { evaluations.set("iou/\(c)", value) }
    return true
  }
}
