import Files
import Foundation

// The section `data`, where what a key may be depends on the kind of data.

extension Configuration.Data: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "kind", \.kind, in: .init(), .choice(),
        "How images and masks are stored: a folder laid out as PASCAL VOC (`voc`) or `cityscapes`, a `folder` with "
          + "images/ and labels/, one packed file (`hdf5`), or images generated from `data.seed` (`shapes`). "
          + "docs/datasets.md shows each."),
      .root,
      Field(
        "labeled", \.labeled, in: .init(), .listSource, unit: "images",
        required: { $0.kind == .shapes ? "24" : "splits/labeled.txt" },
        "Labeled samples: path of a list, an image a line, relative to `data.root`, the working directory, or the folder "
          + "that the root is in; or of a folder of images. For `shapes` a count."
      ),
      Field(
        "unlabeled", \.unlabeled, in: .init(), .orNull(.listSource), unit: "images",
        "Unlabeled samples, likewise. Required unless `u2pl.enabled` is off."),
      Field(
        "validation", \.validation, in: .init(), .orNull(.listSource), unit: "images",
        "Samples that evaluation uses, likewise; null means no evaluation."),
      .classes,
      .labelMap,
      .palette,
      .channels,
      Field(
        "range", \.range, in: .init(), .valueRange,
        "Values that become 0 and 255; those beyond become 0 or 255 too. null takes those of the type: 0 and 255 of 8-bit "
          + "images, 0 and 65535 or −32768 and 32767 of 16-bit ones, 0 and 1 of floats. Percentiles are those of all values "
          + "of the labeled and unlabeled images, found once at the start. With a range, images of three channels keep "
          + "their 16 bits too."),
      Field(
        "normalize", \.normalize, in: .init(), .choice(),
        "Whose mean and deviation an image is normalised with: `mean` and `std` below (`dataset`), or those of each image and "
          + "channel, over all of its pixels (`image`) or those that are not 0 in every channel (`image_nonzero`), of values "
          + "in `range`, or as they are where that is null."),
      .perChannel(
        "mean", \.mean, "-255 to 255", standard: "[123.675, 116.28, 103.53]",
        "Taken from each channel after `range`, a number for each or one for all; the default where there are not three is "
          + "114.495 …"
      ) { (-255...255).contains($0) },
      .perChannel(
        "std", \.std, "0.001 to 1000", standard: "[58.395, 57.12, 57.375]",
        "… which are then divided by this; the default where there are not three is 57.63."
      ) { (0.001...1000).contains($0) },
      Field(
        "shuffle", \.shuffle, in: .init(), .toggle,
        "Whether lists are in a new order each pass. `off`: slot i of step k is line (k · batch + i) mod length."),
      Field(
        "group", \.group, in: .init(), .orNull(.text(type: "regular expression", example: "'patient[0-9]+'")),
        "Which images belong together, such as those of a patient: those in whose names the expression, or its first "
          + "parentheses, match the same. They are held out together, none may be labeled where another is for validation, and "
          + "`evaluate` takes them for one case. null: the slices of a volume."),
      Field(
        "balance", \.balance, in: .init(), .probability,
        "Share of labeled samples that are drawn for a class, every class in the labels as often as any: an image that has it, "
          + "and a crop with a pixel of it."),
      Field(
        "verify", \.verify, in: .init(), .toggle,
        "Whether every listed image is decoded once at the start, shared out over the ranks, so that a damaged one is found "
          + "before the first step; a resume leaves out files that have not changed. `off` for those who have millions."
      ),
      Field(
        "size", \.size, in: .init(), .size(8...8192), unit: "pixels", applies: onlyShapes,
        "Size of generated images, one number or [height, width]; for `shapes` only."),
      Field(
        "seed", \.seed, in: .init(), .seed, applies: onlyShapes,
        "Key of the generated images; for `shapes` only. Apart from `run.seed`, so that runs of many seeds see the same data."
      ),
    ]
  }

  private static func onlyShapes(_ data: Self) -> String? {
    data.kind == .shapes ? nil : "is for data.kind shapes only; take it out"
  }
}

extension ValueKind where Value == Configuration.ListSource {
  static var listSource: Self {
    let count = ValueKind<Int>.integer(1...10_000_000, example: 200)
    let path = ValueKind<String>.text(example: "splits/labeled.txt")
    return ValueKind(
      type: "path of a list, or a count", range: "counts: \(count.range)", example: path.example,
      parse: { item throws(Refusal) in
        if let text = item.plainText, Double(text) != nil { return .count(try count.parse(item)) }
        return .file(try path.parse(item))
      },
      format: { source in
        switch source {
        case .count(let value): count.format(value)
        case .file(let value): path.format(value)
        }
      })
  }
}

extension Field where Owner == Configuration.Data {
  /// Required for all kinds that are read from disk; `kind` is read before.
  fileprivate static var root: Field {
    let kind = ValueKind<String>.text(type: "path", example: "PATH", emptyAllowed: true)
    let reference = KeyReference(
      path: "root", type: kind.type, unit: "", standard: "required, but for shapes", range: "",
      meaning:
        "Folder that holds the data, and that other paths of this section start from; for `hdf5` the packed file, "
        + "and paths start from its folder. Itself relative to the working directory.")
    let plain = Field(
      "root", reference,
      read: { owner, item, path throws(ConfigurationError) in owner.root = try kind.read(item, path: path) },
      write: { kind.format($0.root) })
    return Field(
      name: "root", references: plain.references, checkKeys: plain.checkKeys,
      read: { owner, section, path throws(ConfigurationError) in
        try plain.read(&owner, section, path)
        guard owner.kind == .shapes || !owner.root.isEmpty else {
          let place = section.mapping?["root"]?.value.place ?? section.place
          throw ConfigurationError(missing: path, in: place, example: kind.example)
        }
        owner.rootPlace.place = section.mapping?["root"].map { "\($0.value.place)" }
      },
      write: plain.write)
  }
}

extension Field where Owner == Configuration.Data {
  /// Mean and deviation, which are read later, start with as many numbers.
  fileprivate static var channels: Field {
    let kind = ValueKind<Int>.integer(1...32, example: 1)
    return Field(
      "channels",
      KeyReference(
        path: "channels", type: kind.type, unit: "", standard: "3", range: kind.range,
        meaning:
          "Channels of every image. 3 takes images as 8-bit colour: grey is tripled, alpha is dropped, of 16 bits the high "
          + "byte is kept. Another number takes images that have as many, in their own type: 1 of grey, 4 with alpha, or "
          + "what a packed array has. `model.weights` of photographs are summed over red, green and blue for 1, and for "
          + "others repeated in turn, times 3 / channels."),
      read: { owner, item, path throws(ConfigurationError) in
        owner.channels = try kind.read(item, path: path)
        owner.mean = Configuration.Data.standardMean(channels: owner.channels)
        owner.std = Configuration.Data.standardDeviation(channels: owner.channels)
      },
      write: { kind.format($0.channels) })
  }

  /// A number for each channel, or one for all. The count of a list is compared with the channels later.
  fileprivate static func perChannel(
    _ name: String, _ value: WritableKeyPath<Configuration.Data, [Double]>, _ range: String, standard: String,
    _ meaning: String, _ allows: @escaping (Double) -> Bool
  ) -> Field {
    let one = ValueKind<Double>.number(range, example: 100, allows)
    let kind = ValueKind<[Double]>.list(of: one, example: "[100, 100, 100]")
    let type = "a number, or a list with one for each channel"
    return Field(
      name,
      KeyReference(path: name, type: type, unit: "0–255", standard: standard, range: range, meaning: meaning),
      read: { owner, item, path throws(ConfigurationError) in
        if item.list == nil {
          var single = one
          single.type = type
          owner[keyPath: value] = Array(repeating: try single.read(item, path: path), count: owner.channels)
        } else {
          owner[keyPath: value] = try kind.read(item, path: path)
        }
      },
      write: { kind.format($0[keyPath: value]) })
  }
}

extension Configuration.Data {
  /// What is wrong with ``root``, as a message without the place in the configuration; nil where it exists and is a
  /// folder, or for ``Kind/hdf5`` a file.
  public var rootProblem: String? {
    guard kind != .shapes else { return nil }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: root, isDirectory: &isFolder) else {
      let folder = root.hasPrefix("/") ? "" : " in \(FileManager.default.currentDirectoryPath)"
      return
        "data.root: there is no \(kind == .hdf5 ? "file" : "folder") '\(root)'\(folder); correct data.root, or "
        + "give it on the command line: --set data.root=PATH"
    }
    if kind == .hdf5, isFolder.boolValue {
      return "data.root: '\(root)' is a folder; with data.kind hdf5 it is the packed file"
    }
    if kind != .hdf5, !isFolder.boolValue {
      return
        "data.root: '\(root)' is a file; with data.kind \(kind.rawValue) it is a folder, and data.kind hdf5 "
        + "reads a packed file"
    }
    return nil
  }
}

/// Why a text file could not be read.
func fileProblem(_ path: String) -> String {
  var isFolder: ObjCBool = false
  guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return "there is no such file" }
  if isFolder.boolValue { return "it is a folder" }
  guard FileManager.default.isReadableFile(atPath: path) else { return "no permission to read it" }
  // Opening a named pipe again would wait for a writer.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  if descriptor >= 0 {
    defer { close(descriptor) }
    if let pointer = StorePointer(descriptor, path) { return "it \(pointer.problem)" }
  }
  return "it is not UTF-8 text, or larger than \(longestText >> 20) MiB"
}

/// Bytes that a configuration or a list of classes may have: more are another file, or one without an end.
private let longestText = 16 << 20

/// A file's text; nil where ``fileProblem(_:)`` says why not. Pipes will do, such as the shell's `<(…)`.
func textFile(_ path: String) -> String? {
  guard let file = FileHandle(forReadingAtPath: path) else { return nil }
  var bytes = Data()
  do {
    while let more = try file.read(upToCount: 1 << 20), !more.isEmpty {
      bytes += more
      guard bytes.count <= longestText else { return nil }
    }
  } catch {
    return nil  // a folder can be opened, but not read
  }
  guard StorePointer(bytes, path) == nil else { return nil }
  // Windows' editors call UTF-16 Unicode.
  if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
    return String(data: bytes, encoding: .utf16)
  }
  // Some editors put a byte order mark first.
  if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
  return String(validating: bytes, as: UTF8.self)
}
