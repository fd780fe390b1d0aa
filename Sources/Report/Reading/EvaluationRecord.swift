import Checkpoint
import Files
import Foundation

/// `evaluation.json` of a run: what its last evaluation has found besides numbers in `metrics.jsonl`, and what the run
/// computes with. It is replaced as a whole.
public struct EvaluationRecord: Sendable {
  /// Of one image: the files below `pictures/` that show it.
  public struct Picture: Sendable, Equatable {
    /// `validation` or `unlabeled`.
    public var list: String
    /// The image's name in its list.
    public var name: String
    /// Pixels that the evaluated network gives another class than the mask, of those that have one; nil without a mask.
    public var errors: Int?
    public var labeled: Int?
    /// By kind, in the order in which they are shown: `image`, `truth`, `student`, `teacher`, `entropy`, `reliable`,
    /// `errors`.
    public var files: [File]

    public struct File: Sendable, Equatable {
      public var kind: String
      public var name: String

      public init(kind: String, name: String) { (self.kind, self.name) = (kind, name) }
    }

    public init(list: String, name: String, errors: Int?, labeled: Int?, files: [File]) {
      (self.list, self.name, self.errors, self.labeled, self.files) = (list, name, errors, labeled, files)
    }
  }

  /// Steps done when it was made, and those of the whole run.
  public var steps = 0
  public var totalSteps = 0
  /// Rows are true classes.
  public var confusion: [Int] = []
  /// Colours of the classes, red, green, blue.
  public var palette: [[UInt8]] = []
  /// When the pictures were made: steps done, γ_t, and the entropy at the end of the pictures' scale; nil without
  /// pictures.
  public var pictureSteps: Int?
  public var gamma: Double?
  public var greatestEntropy: Double?
  public var pictures: [Picture] = []
  /// Versions, libraries, and digests of the lists, by the names that a checkpoint has for them.
  public var facts: [(key: String, value: String)] = []

  public init() {}

  static func path(_ run: String) -> String { FileSystem.join(run, "evaluation.json") }
  public static func picturesPath(_ run: String) -> String { FileSystem.join(run, "pictures") }

  /// - Throws: `FileError`.
  public func write(run: String) throws {
    var line = JSONLine()
    line.add("version", 1)
    line.add("steps", steps)
    line.add("total_steps", totalSteps)
    line.add("confusion", confusion)
    line.add("palette", palette.flatMap { $0.map(Int.init) })
    if let pictureSteps { line.add("picture_steps", pictureSteps) }
    if let gamma { line.add("gamma", gamma) }
    if let greatestEntropy { line.add("greatest_entropy", greatestEntropy) }
    line.add("pictures", pictures.map(Self.line))
    var values = JSONLine()
    for fact in facts { values.add(fact.key, fact.value) }
    line.add("facts", values)
    try FileSystem.replace(Self.path(run), text: line.text + "\n")
  }

  private static func line(_ picture: Picture) -> JSONLine {
    var line = JSONLine()
    line.add("list", picture.list)
    line.add("name", picture.name)
    if let errors = picture.errors { line.add("errors", errors) }
    if let labeled = picture.labeled { line.add("labeled", labeled) }
    line.add("kinds", picture.files.map(\.kind))
    line.add("files", picture.files.map(\.name))
    return line
  }

  /// - Returns: nil where the run has none that can be read.
  public init?(run: String) {
    guard let bytes = FileSystem.bytes(Self.path(run)), let value = bytes.withUnsafeBufferPointer({ JSONValue($0) }),
      value["version"]?.whole == 1
    else { return nil }
    steps = value["steps"]?.whole ?? 0
    totalSteps = value["total_steps"]?.whole ?? 0
    confusion = (value["confusion"]?.elements ?? []).compactMap(\.whole)
    let colors = (value["palette"]?.elements ?? []).compactMap { $0.whole.flatMap(UInt8.init(exactly:)) }
    palette = stride(from: 0, to: colors.count - 2, by: 3).map { Array(colors[$0..<$0 + 3]) }
    pictureSteps = value["picture_steps"]?.whole
    gamma = value["gamma"]?.number
    greatestEntropy = value["greatest_entropy"]?.number
    pictures = (value["pictures"]?.elements ?? []).map { picture in
      func texts(_ key: String) -> [String] { (picture[key]?.elements ?? []).compactMap(\.text) }
      return Picture(
        list: picture["list"]?.text ?? "", name: picture["name"]?.text ?? "", errors: picture["errors"]?.whole,
        labeled: picture["labeled"]?.whole,
        files: zip(texts("kinds"), texts("files")).map { Picture.File(kind: $0, name: $1) })
    }
    facts = (value["facts"]?.members ?? []).compactMap { member in member.value.text.map { (member.key, $0) } }
  }

  /// What the newest checkpoint tells, for a run that was made without a report.
  ///
  /// - Returns: nil where there is none that can be read.
  init?(checkpointOf directory: RunDirectory) {
    guard let path = try? directory.checkpoints().first?.path,
      let contents = try? CheckpointFile.read(path, group: "metrics", advises: false)
    else { return nil }
    if case .int64(let counts)? = contents.datasets["metrics/confusion"]?.values { confusion = counts.map(Int.init) }
    if case .int(let step)? = contents.attributes["step"] { steps = Int(step) }
    for (key, value) in contents.attributes.sorted(by: { $0.key < $1.key }) where key != "config" {
      facts.append((key, value.text))
    }
  }
}
