import Configuration
import Dataset
import Files
import Foundation
import Transforms

/// One image that is suggested.
package struct Suggestion: Sendable {
  /// What stands in a list for it.
  package let line: String
  package let path: String
  /// Of its pictures, without extension: its own among all suggestions.
  package let name: String
  package let choice: Selection.Choice
  package let reason: String

  package init(line: String, path: String, name: String, choice: Selection.Choice, reason: String) {
    (self.line, self.path, self.name, self.choice, self.reason) = (line, path, name, choice, reason)
  }
}

/// The files that `suggest` writes into a folder of its own:
///
///     DIR/suggested.txt         a line an image, as lists have it
///     DIR/suggestions.csv       the order, numbers and reasons
///     DIR/suggestions.json      the same, and what they were computed from
///     DIR/masks/NAME.png        a mask to correct: the network's classes, unreliable pixels undecided
///     DIR/overlays/NAME.png     its colours over the image, undecided pixels in stripes
package struct SuggestionFiles {
  private let directory: String
  private let gamma: Double
  private let values: MaskValues
  private let colors: [[UInt8]]

  /// - Throws: ``DatasetError`` where masks can store no undecided pixel.
  package init(_ directory: String, gamma: Double, _ data: Configuration.Data) throws {
    (self.directory, self.gamma) = (directory, gamma)
    values = try MaskValues(data)
    colors = data.colors
  }

  package func mask(_ name: String) -> String { "\(directory)/masks/\(name).png" }
  package func overlay(_ name: String) -> String { "\(directory)/overlays/\(name).png" }

  /// Makes the folders. One rank calls this.
  ///
  /// - Throws: `FileError`.
  package func prepare(_ names: [String]) throws {
    let folders = Set(names.flatMap { [FileSystem.directory(of: mask($0)), FileSystem.directory(of: overlay($0))] })
    for folder in folders.sorted() { try FileSystem.createDirectory(folder) }
  }

  /// Writes the pictures of one suggestion.
  ///
  /// - Returns: the share of the pixels that are left undecided.
  /// - Throws: ``DatasetError`` naming the file.
  @discardableResult
  package func write(_ name: String, _ image: RGBImage, _ prediction: ImagePrediction) throws -> Double {
    let entropy = prediction.entropy
    var picture = OverlayPicture(image)
    var stored = [UInt8](repeating: values.ignore, count: prediction.pixels)
    var undecided = 0
    for (p, c) in prediction.classes.enumerated() {
      if Double(entropy[p]) > gamma {
        picture.stripe(at: p)
        undecided += 1
      } else {
        picture.mix(colors[Int(c)], at: p)
        stored[p] = values.ofClass[Int(c)]
      }
    }
    try ImageFile.writePNG(
      LabelMap(height: image.height, width: image.width, values: stored), palette: values.palette, to: mask(name))
    try picture.write(to: overlay(name))
    return Double(undecided) / Double(prediction.pixels)
  }

  /// Writes list and tables, after all pictures. One rank calls this.
  ///
  /// - Parameters:
  ///   - facts: what the suggestions were computed from.
  ///   - classNames: of all classes.
  /// - Throws: `FileError`.
  package func writeTables(_ suggestions: [Suggestion], _ facts: JSONLine, classNames: [String]) throws {
    var table = Table([
      "place", "image", "path", "score", "classes_score", "coverage_score", "doubt_score", "unreliable", "distance",
      "classes",
      "reason", "mask", "overlay",
    ])
    var objects: [JSONLine] = []
    for (place, one) in suggestions.enumerated() {
      let (choice, parts) = (one.choice, one.choice.parts)
      let classes = choice.classes.prefix(3).map { classNames[$0] }
      table.add(
        ["\(place + 1)", one.line, one.path]
          + [choice.score, parts.classes, parts.coverage, parts.doubt, choice.unreliable].map(Self.number)
          + [choice.distance.map(Self.number) ?? "", classes.joined(separator: " "), one.reason]
          + [mask(one.name), overlay(one.name)])
      var object = JSONLine()
      object.add("place", place + 1)
      object.add("image", one.line)
      object.add("path", one.path)
      object.add("score", choice.score)
      object.add("classes_score", parts.classes)
      object.add("coverage_score", parts.coverage)
      object.add("doubt_score", parts.doubt)
      object.add("unreliable", choice.unreliable)
      object.add("distance", choice.distance)
      object.add("classes", classes)
      object.add("reason", one.reason)
      object.add("mask", mask(one.name))
      object.add("overlay", overlay(one.name))
      objects.append(object)
    }
    var all = facts
    all.add("suggestions", objects)
    try writeText(table.text, to: "\(directory)/suggestions.csv")
    try writeText(all.text + "\n", to: "\(directory)/suggestions.json")
    // Last: where it is, the others are complete.
    try writeText(suggestions.map { $0.line + "\n" }.joined(), to: "\(directory)/suggested.txt")
  }

  private static func number(_ value: Double) -> String { String(format: "%.4f", value) }
}
