import ArgumentParser
import Dataset
import Foundation
import Method

extension DataCommand {
  struct Shapes: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes generated images in PASCAL VOC's layout.",
      discussion: """
        The same images that `data.kind: shapes` trains on, with lists splits/labeled.txt, splits/unlabeled.txt and \
        splits/val.txt and the class names in classes.txt. Train on them with data.kind: voc.
        """)

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to; made if it does not exist.", valueName: "dir"))
    var output: String

    @Option(help: "Labeled training images.") var labeled = 24
    @Option(help: "Unlabeled training images.") var unlabeled = 200
    @Option(help: "Validation images.") var validation = 100
    @Option(help: "Height and width in pixels.") var size = 96
    @Option(help: "Classes, background included.") var classes = 7
    @Option(help: "Key of the draws: the same seed gives the same pixels.") var seed: UInt64 = 0

    func validate() throws {
      guard ShapesSet.supportedClasses.contains(classes) else {
        throw ValidationError(
          "--classes \(classes): from \(ShapesSet.supportedClasses.lowerBound) to \(ShapesSet.supportedClasses.upperBound)"
        )
      }
      guard labeled >= 0, unlabeled >= 0, validation >= 0, max(labeled, unlabeled, validation) < 1_000_000 else {
        throw ValidationError("--labeled, --unlabeled and --validation: from 0 to 999999")
      }
      guard (16...4096).contains(size) else { throw ValidationError("--size \(size): from 16 to 4096") }
    }

    func run() throws {
      do {
        for (role, count) in [(ListRole.labeled, labeled), (.unlabeled, unlabeled), (.validation, validation)] {
          let set = ShapesSet(
            height: size, width: size, count: count, classes: classes, seed: seed, offset: role.firstGeneratedImage)
          try set.write(to: output, list: role.name)
          print("\(output)/splits/\(role.name).txt: \(count) images of \(size)×\(size)")
        }
      } catch let error as DatasetError {
        RankedProcess.show("u2pl: error: \(error)", isError: true)
        throw ExitCode(2)
      }
    }
  }
}
