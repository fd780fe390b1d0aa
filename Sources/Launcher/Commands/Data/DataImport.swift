import Annotations
import ArgumentParser
import Files
import Foundation

extension DataCommand {
  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes masks and lists from annotations of other tools: COCO, LabelMe, CVAT, masks in colours.",
      discussion: """
        SOURCE is COCO's JSON, the XML of CVAT for images 1.1, a folder of LabelMe's JSON files, or a folder of PNG masks \
        whose colours are classes. DIR becomes a data set of data.kind: folder:

          DIR/labels/NAME.png    the class of each pixel
          DIR/classes.txt        names of the classes, a line each
          DIR/labeled.txt        images that have an annotation
          DIR/unlabeled.txt      images without one, also those of --images that the annotations do not name
          DIR/images             a link to --images

        Masks in colours need --colors, a text with a line RED GREEN BLUE NAME a colour; without it, the colours that are \
        found are written to DIR/colors.txt, for you to name. For example:

          u2pl data import instances_train.json --images train2017 -o coco
        """)

    @Argument(help: ArgumentHelp("The file or folder of annotations.", valueName: "source"))
    var source: String

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to; made if it does not exist.", valueName: "dir"))
    var output: String

    @Option(help: ArgumentHelp("The folder that the names of images start from.", valueName: "dir"))
    var images: String?

    @Option(help: ArgumentHelp("What the colours of masks mean.", valueName: "file"))
    var colors: String?

    @Option(
      help: ArgumentHelp(
        "LabelMe: a text with the names of the classes, in order; else those that occur, sorted.", valueName: "file"))
    var classes: String?

    enum Rest: String, ExpressibleByArgument, CaseIterable { case background, ignore }

    @Option(help: "What pixels are that no object covers: class 0, or ignored.")
    var rest = Rest.background

    func run() throws {
      do { try convert() } catch let error as FileError {
        RankedProcess.show("u2pl: error: \(error)", isError: true)
        throw ExitCode(2)
      }
    }

    private func convert() throws {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder) else {
        throw FileError(description: "\(source): there is no such file or folder")
      }
      if let images {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: images, isDirectory: &isFolder), isFolder.boolValue else {
          throw FileError(description: "--images \(images): there is no such folder")
        }
      }
      let ignores = rest == .ignore
      let set: AnnotationSet
      if isFolder.boolValue {
        let names = try FileManager.default.subpathsOfDirectory(atPath: source)
        guard names.contains(where: { $0.hasSuffix(".json") }) else { return try convertColors() }
        set = try LabelMeFolder.read(source, classes: classes.map(lines), ignoresRest: ignores)
      } else if source.lowercased().hasSuffix(".xml") {
        set = try CVATFile.read(source, ignoresRest: ignores)
      } else {
        set = try COCOFile.read(source, ignoresRest: ignores)
      }
      let folder = ImportedFolder(output, images: images)
      try folder.prepare()
      let names = try folder.write(set, rest: ignores ? 255 : 0, place: source)
      try finish(folder, set.classes, names.labeled, names.unlabeled)
      set.remarks.forEach { print("note: \($0)") }
      print("where objects overlap, \(set.overlapRule)")
    }

    private func convertColors() throws {
      let files = try ColorMasks.files(source)
      guard !files.isEmpty else {
        throw FileError(description: "\(source): holds neither .json files of LabelMe nor .png masks")
      }
      guard let colors else { return try showColors(files.count) }
      let table = try ColorTable(colors)
      let folder = ImportedFolder(output, images: images)
      try folder.prepare()
      var names: [String] = []
      for file in files {
        names.append(ImportedFolder.name(file))
        try folder.write(table.labels("\(source)/\(file)"), names[names.count - 1])
      }
      try finish(folder, table.classes, names, [])
    }

    /// Writes the colours that there are as a table to be completed.
    private func showColors(_ masks: Int) throws {
      let found = try ColorMasks.found(source)
      var text = "// RED GREEN BLUE NAME: name each colour, in the order of the classes; ignore is no class.\n"
      for (number, entry) in found.enumerated() {
        text += "\(ColorMasks.text(entry.color)) class\(number)\n"
        print("\(ColorMasks.text(entry.color)): \(String(format: "%.2f", entry.share * 100)) % of all pixels")
      }
      let path = "\(output)/colors.txt"
      guard !FileManager.default.fileExists(atPath: path) else {
        throw FileError(description: "\(path) is there already; complete it and give it as --colors, or remove it")
      }
      try FileSystem.createDirectory(output)
      try FileSystem.replace(path, text: text)
      print(
        "\(found.count) colours in \(masks) masks: name them in \(path), then run the command again with --colors \(path)"
      )
    }

    private func lines(_ path: String) throws -> [String] {
      guard let bytes = FileSystem.bytes(path) else { throw FileError.system("cannot be read", path) }
      return String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        .map { $0.trimmingCharacters(in: .whitespaces) }.filter {
          !$0.isEmpty && !$0.hasPrefix("#") && $0 != "__ignore__"
        }
    }

    private func finish(_ folder: ImportedFolder, _ classes: [String], _ labeled: [String], _ unlabeled: [String])
      throws
    {
      let counts = try folder.finish(classes: classes, labeled: labeled, unlabeled: unlabeled)
      print("\(output)/classes.txt: \(classes.count) classes")
      print("\(output)/labeled.txt: \(counts.labeled) images")
      if counts.unlabeled > 0 { print("\(output)/unlabeled.txt: \(counts.unlabeled) images") }
    }
  }
}
