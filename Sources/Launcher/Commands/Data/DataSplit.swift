import ArgumentParser
import Configuration
import Dataset
import Distributed
import Foundation
import Trainer

extension DataCommand {
  struct Split: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Makes lists of labeled and unlabeled images from one list.",
      discussion: """
        For each number N of labeled images writes DIR/N/labeled.txt and DIR/N/unlabeled.txt, lines as in the list. \
        The smaller of two splits is part of the larger; fractions are rounded up, as in the published splits. The \
        same seed gives the same lists. Slices of one volume (FILE#14), and images of one --group, are never parted: \
        groups are taken whole, as many as it takes to reach the number. --take names images that are labeled in any case, such as those that u2pl \
        suggest has suggested and somebody has labeled since. For example:

          u2pl data split splits/train.txt -o splits --labeled 1/16,1/8,1/4,1/2
          u2pl data split train.txt -o splits --labeled 92 --balanced configs/mine.yaml
          u2pl data split train.txt -o splits --take splits/23/labeled.txt --take next/suggested.txt
        """)

    @Argument(
      help: ArgumentHelp(
        "The list, or several that are joined: text files with an image a line, or folders of images. With --balanced, "
          + "paths are relative to data.root.", valueName: "list"))
    var lists: [String]

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to; made if it does not exist.", valueName: "dir"))
    var output: String

    @Option(
      help: ArgumentHelp(
        "How many are labeled: counts or fractions, separated by commas; without it, those of --take.",
        valueName: "92,1/8,…"))
    var labeled: String?

    @Option(
      help: ArgumentHelp(
        "A list of images that are labeled in any case, lines as in the list; may be repeated. They count among those "
          + "of --labeled; the others are drawn.", valueName: "list"))
    var take: [String] = []

    @Option(
      help: ArgumentHelp(
        "First sets this many aside, as DIR/val.txt; fractions of --labeled are of the rest.", valueName: "count|a/b"))
    var validation: String?

    @Option(help: "Key of the draws.") var seed: UInt64 = 0

    @Option(
      help: ArgumentHelp(
        "Lines in which this regular expression, or its first parentheses, match the same belong together; else data.group of "
          + "--balanced.", valueName: "regex"))
    var group: String?

    @Option(
      help: ArgumentHelp(
        "Chooses images so that classes are shown about equally often; masks are read as this configuration says.",
        valueName: "config"))
    var balanced: String?

    @Option(
      name: .customLong("set"),
      help: ArgumentHelp("Sets one key of that configuration; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    func validate() throws {
      guard labeled != nil || !take.isEmpty else {
        throw ValidationError("--labeled says how many images are labeled, or --take which")
      }
      guard balanced != nil || overrides.isEmpty else {
        throw ValidationError("--set changes the configuration of --balanced, which is not given")
      }
      if let group {
        do { _ = try Regex(group) } catch { throw ValidationError("--group '\(group)': \(error)") }
      }
    }

    func run() throws {
      try RankedProcess.run { ranks in
        var lines: [String] = []
        var classes: [Set<Int>]?
        var expression = group
        if let balanced {
          let configuration = try ranks.together { try Configuration.load(path: balanced, overrides: overrides) }
          _ = try RankedProcess.setThreads(configuration.compute.threads, ranks: ranks)
          expression = expression ?? configuration.data.group
          let sets = try ranks.together {
            let source = try DataSource(configuration.data)
            return try lists.map { list in
              let set = try source.open(list: list, labeled: true)
              try set.requireComplete()
              return set
            }
          }
          lines = sets.flatMap { set in (0..<set.count).map(set.line) }
          classes = try sets.flatMap { try classesShown($0, configuration.data.classes, ranks) }
        } else {
          lines = try ranks.together { try lists.flatMap { try ImageList($0, in: [""]).lines.map(\.text) } }
        }
        try ranks.together {
          let files = try files(lines, classes, ImageGroups(lines: lines, expression))
          guard ranks.rank == 0 else { return }
          try write(files)
        }
      }
    }

    /// The classes that cover at least a thousandth of each image. Collective.
    private func classesShown(_ set: any ImageSet, _ classes: Int, _ ranks: Communicator) throws -> [Set<Int>] {
      let results = try SharedWork.run(Array(0..<set.count), label: "read masks", ranks: ranks) { index in
        let labels = try set.namingOrigin(of: index) { try set.labels(index) }
        var counts = [Int](repeating: 0, count: 256)
        for value in labels.values { counts[Int(value)] += 1 }
        return (0..<classes).filter { 1000 * counts[$0] >= labels.values.count }
      }
      let shown = try ranks.together { try results.map { try $0.get() } }
      // A list of classes each, ended by −1.
      let (numbers, _) = try ranks.allGather(shown.flatMap { $0.map(Int32.init) + [-1] })
      return numbers.split(separator: -1, omittingEmptySubsequences: false).dropLast().map { Set($0.map(Int.init)) }
    }

    private struct List {
      let path: String
      let lines: [String]
      /// Images that show each class, where that is known.
      var shownBy: [Int]?
    }

    private func files(_ lines: [String], _ classes: [Set<Int>]?, _ groups: ImageGroups) throws -> [List] {
      let list = lists.joined(separator: ", ")
      var firstLine: [String: Int] = [:]
      for (index, line) in lines.enumerated() {
        if let first = firstLine.updateValue(index, forKey: line) {
          throw ConfigurationFailure(
            description:
              "\(list): \(line) is there twice, as images \(first + 1) and \(index + 1); one image must not be "
              + "in two lists")
        }
      }
      func make(_ name: String, _ positions: [Int]) -> List {
        let shown = classes.map { classes in
          (0..<(classes.joined().max() ?? 0) + 1).map { c in positions.count { classes[$0].contains(c) } }
        }
        return List(path: "\(output)/\(name)", lines: positions.map { lines[$0] }, shownBy: shown)
      }
      let members = groups.members
      // A group that is taken in part is taken whole.
      let takenGroups = Set(try takenImages(firstLine, list).map { groups.numbers[$0] })
      let taken = Set(takenGroups.flatMap { members[$0] })
      // Groups, each as the images it has.
      var rest = members.indices.filter { !takenGroups.contains($0) }.map { members[$0] }
      var files: [List] = []
      if let validation {
        let number = try number(validation, of: rest.joined().count, "--validation")
        let (chosen, others) = ListSplit(count: rest.count, seed: seed, for: .validation).split(rest, reaching: number)
        files.append(make("val.txt", chosen.flatMap { rest[$0] }.sorted()))
        rest = others.map { rest[$0] }
      }
      let order =
        classes.map { classes in
          ListSplit(classesShown: rest.map { $0.reduce(into: Set()) { $0.formUnion(classes[$1]) } }, seed: seed)
        } ?? ListSplit(count: rest.count, seed: seed)
      let restCount = rest.joined().count
      for text in (labeled ?? "\(taken.count)").split(separator: ",") {
        let number = try number(text.trimmingCharacters(in: .whitespaces), of: taken.count + restCount, "--labeled")
        guard number >= taken.count else {
          throw ConfigurationFailure(
            description:
              "--labeled \(text): the lists of --take have \(taken.count) images already; leave --labeled out "
              + "to label these alone")
        }
        let (chosen, others) = order.split(rest, reaching: number - taken.count)
        files.append(make("\(number)/labeled.txt", (taken + chosen.flatMap { rest[$0] }).sorted()))
        if !others.isEmpty {
          files.append(make("\(number)/unlabeled.txt", others.flatMap { rest[$0] }.sorted()))
        }
      }
      return files
    }

    /// The images of ``take``, each once, by their places in the list.
    private func takenImages(_ places: [String: Int], _ list: String) throws -> Set<Int> {
      var taken: Set<Int> = []
      for path in take {
        for line in try ImageList(path, in: [""]).lines {
          guard let place = places[line.text] else {
            throw ConfigurationFailure(
              description:
                "\(path), line \(line.number): \(line.text) is not in \(list); lines of --take have to stand "
                + "there as they are")
          }
          taken.insert(place)
        }
      }
      return taken
    }

    private func number(_ text: String, of count: Int, _ option: String) throws -> Int {
      guard let number = ListSplit.number(text, of: count) else {
        throw ConfigurationFailure(
          description: "\(option) \(text): expected a number of images from 1 to \(count), or a fraction such as 1/8")
      }
      return number
    }

    private func write(_ lists: [List]) throws {
      for list in lists {
        let text = Data(list.lines.map { $0 + "\n" }.joined().utf8)
        if let there = FileManager.default.contents(atPath: list.path), there != text {
          throw ConfigurationFailure(description: "\(list.path) exists and is another list; give -o another folder")
        }
      }
      for list in lists {
        let text = list.lines.map { $0 + "\n" }.joined()
        do {
          let url = URL(fileURLWithPath: list.path)
          try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
          try Data(text.utf8).write(to: url, options: .atomic)
        } catch {
          throw ConfigurationFailure(description: "\(list.path): cannot be written: \(error.localizedDescription)")
        }
        let shown = list.shownBy.flatMap { shown in shown.min().map { "; each class in \($0) to \(shown.max() ?? 0)" } }
        RankedProcess.say("\(list.path): \(list.lines.count) images\(shown ?? "")")
      }
    }
  }
}
