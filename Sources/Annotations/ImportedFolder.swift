import Dataset
import Files
import Foundation
import Transforms

/// The folder that an import writes: labels/, classes.txt, labeled.txt, unlabeled.txt, and images, a link to the folder of images.
package struct ImportedFolder {
  package let directory: String
  /// The folder of images; nil where the lists are to name images of annotations alone.
  private let images: String?

  package init(_ directory: String, images: String?) { (self.directory, self.images) = (directory, images) }

  /// Makes the folders. Nothing that is there already is replaced.
  ///
  /// - Throws: ``FileError`` naming what is in the way.
  package func prepare() throws {
    let labels = "\(directory)/labels"
    if let there = try? FileManager.default.contentsOfDirectory(atPath: labels), !there.isEmpty {
      throw FileError(description: "\(labels): holds files already; give -o another folder, or remove them")
    }
    do {
      try FileManager.default.createDirectory(atPath: labels, withIntermediateDirectories: true)
      guard let images else { return }
      let link = "\(directory)/images"
      let target = URL(fileURLWithPath: images).standardizedFileURL.path
      if FileManager.default.fileExists(atPath: link) {
        guard
          URL(fileURLWithPath: link).resolvingSymlinksInPath() == URL(fileURLWithPath: target).resolvingSymlinksInPath()
        else {
          throw FileError(description: "\(link): is another folder than --images \(images); give -o another folder")
        }
      } else {
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
      }
    } catch let error as FileError { throw error } catch {
      throw FileError(description: "\(directory): cannot be made: \(error.localizedDescription)")
    }
  }

  /// Writes the masks of a set. An image without an object becomes an unlabeled one.
  ///
  /// - Returns: names of labeled and of unlabeled images.
  package func write(_ set: AnnotationSet, rest: UInt8, place: String) throws -> (
    labeled: [String], unlabeled: [String]
  ) {
    var labeled: [String] = [], unlabeled: [String] = []
    var names: [String: String] = [:]
    for image in set.images {
      let name = Self.name(image.file)
      if let other = names.updateValue(image.file, forKey: name) {
        throw FileError(
          description:
            "\(place): \(other) and \(image.file) would have masks of one name, \(name).png; rename one of them")
      }
      guard !image.objects.isEmpty else {
        unlabeled.append(name)
        continue
      }
      let values = try image.labels(rest: rest, place: "\(place): \(image.file)")
      try write(LabelMap(height: image.height, width: image.width, values: values), name)
      labeled.append(name)
    }
    return (labeled, unlabeled)
  }

  /// Writes one mask as `labels/NAME.png`.
  package func write(_ labels: LabelMap, _ name: String) throws {
    let path = "\(directory)/labels/\(name).png"
    do {
      try FileManager.default.createDirectory(
        atPath: FileSystem.directory(of: path), withIntermediateDirectories: true)
      try ImageFile.writePNG(labels, palette: ImageFile.vocPalette, to: path)
    } catch { throw FileError(description: "\(error)") }
  }

  /// Writes the lists and the names of classes. Images of the folder of images that have no annotation become unlabeled ones.
  ///
  /// - Returns: the number of labeled and of unlabeled images.
  package func finish(
    classes: [String], labeled: [String], unlabeled: [String]
  ) throws -> (labeled: Int, unlabeled: Int) {
    var others = unlabeled
    if let images {
      let known = Set(labeled + unlabeled)
      let found = try FileManager.default.subpathsOfDirectory(atPath: images).sorted()
      others += found.filter { !$0.split(separator: "/").contains { $0.hasPrefix(".") } }
        .compactMap(ImagePlace.stem).filter { !known.contains($0) }
      let there = Set(found.compactMap(ImagePlace.stem))
      if let missing = (labeled + unlabeled).first(where: { !there.contains($0) }) {
        throw FileError(
          description: "\(images): has no image \(missing), which is annotated; give the folder that the names of the "
            + "annotations start from")
      }
    }
    for (name, lines) in [("labeled.txt", labeled), ("unlabeled.txt", others), ("classes.txt", classes)] {
      let path = "\(directory)/\(name)"
      if lines.isEmpty, name == "unlabeled.txt" { continue }
      try FileSystem.replace(path, text: lines.map { $0 + "\n" }.joined())
    }
    return (labeled.count, others.count)
  }

  /// The name of a mask for an image's file: its path without ending.
  package static func name(_ file: String) -> String {
    let path = file.replacing("\\", with: "/").split(separator: "/").filter { $0 != "." && $0 != ".." }.joined(
      separator: "/")
    return ImagePlace.stem(path) ?? path
  }
}
