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

        With --volumes: NIfTI volumes of int16, as of a CT scanner, with slices 3 mm apart, pixels of 0.8 mm and 3 classes: \
        images/NAME.nii.gz, labels/NAME.nii.gz, and the lists labeled.txt, unlabeled.txt and val.txt with a volume a line. \
        Train on them with data.kind: folder, data.channels: 1.
        """)

    @Option(name: .shortAndLong, help: ArgumentHelp("Where to; made if it does not exist.", valueName: "dir"))
    var output: String

    @Flag(help: "Volumes instead of images.") var volumes = false
    @Option(help: "Slices of a volume.") var slices = 16
    @Option(help: "Labeled training images (24 unless given), or volumes (2).") var labeled: Int?
    @Option(help: "Unlabeled training images (200), or volumes (6).") var unlabeled: Int?
    @Option(help: "Validation images (100), or volumes (3).") var validation: Int?
    @Option(help: "Height and width in pixels.") var size = 96
    @Option(help: "Classes of images, background included.") var classes = 7
    @Option(help: "Key of the draws: the same seed gives the same pixels.") var seed: UInt64 = 0

    func validate() throws {
      guard ShapesSet.supportedClasses.contains(classes) else {
        throw ValidationError(
          "--classes \(classes): from \(ShapesSet.supportedClasses.lowerBound) to \(ShapesSet.supportedClasses.upperBound)"
        )
      }
      guard counts.allSatisfy({ (0..<1_000_000).contains($0.count) }) else {
        throw ValidationError("--labeled, --unlabeled and --validation: from 0 to 999999")
      }
      guard (16...4096).contains(size) else { throw ValidationError("--size \(size): from 16 to 4096") }
      guard (1...1024).contains(slices) else { throw ValidationError("--slices \(slices): from 1 to 1024") }
    }

    private var counts: [(role: ListRole, count: Int)] {
      [
        (.labeled, labeled ?? (volumes ? 2 : 24)), (.unlabeled, unlabeled ?? (volumes ? 6 : 200)),
        (.validation, validation ?? (volumes ? 3 : 100)),
      ]
    }

    func run() throws {
      do {
        for (role, count) in counts {
          if volumes {
            try VolumeShapes(slices: slices, size: size, seed: seed).write(to: output, role, count: count)
            print("\(output)/\(role.name).txt: \(count) volumes of \(slices) slices of \(size)×\(size)")
            continue
          }
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
