import Configuration
import Dataset
import Files
import Foundation
import Transforms

/// One image that is suggested.
package struct Suggestion: Sendable {
  /// The image's line in a list.
  package let line: String
  package let path: String
  /// The name of its pictures, without extension; no other suggestion has the same.
  package let name: String
  package let choice: Selection.Choice
  package let reason: String

  package init(line: String, path: String, name: String, choice: Selection.Choice, reason: String) {
    (self.line, self.path, self.name, self.choice, self.reason) = (line, path, name, choice, reason)
  }
}

/// The files that `suggest` writes into a folder of its own:
///
///     DIR/suggested.txt         the images, a line each, as lists name them
///     DIR/suggestions.csv       their order, scores and reasons
///     DIR/suggestions.json      the same, and what they were computed from
///     DIR/masks/NAME.png        a mask to correct: the network's classes; unreliable pixels are undecided
///     DIR/overlays/NAME.png     the mask's colours over the image; undecided pixels are striped
package struct SuggestionFiles {
  private let directory: String
  private let gamma: Double
  private let values: MaskValues
  private let colors: [[UInt8]]
  private let shownRange: PixelRange?

  /// - Throws: ``DatasetError`` where masks can store no undecided pixel.
  package init(_ directory: String, gamma: Double, _ data: Configuration.Data) throws {
    (self.directory, self.gamma) = (directory, gamma)
    values = try MaskValues(data)
    colors = data.colors
    shownRange = data.shownRange
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
  package func write(_ name: String, _ image: Raster, _ prediction: ImagePrediction) throws -> Double {
    let entropy = prediction.entropy
    var picture = OverlayPicture(image, shownRange)
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

  /// Writes the list and the tables, after all pictures. One rank calls this.
  ///
  /// - Parameters:
  ///   - facts: what the suggestions were computed from.
  ///   - classNames: of all classes.
  /// - Throws: `FileError`.
  package func writeTables(_ suggestions: [Suggestion], _ facts: JSONLine, classNames: [String]) throws {
    var table = Table(
      ["place", "image", "path"] + Self.numbers.map(\.key) + ["distance", "classes", "reason", "mask", "overlay"])
    var objects: [JSONLine] = []
    for (place, one) in suggestions.enumerated() {
      let choice = one.choice
      let classes = choice.classes.prefix(3).map { classNames[$0] }
      table.add(
        ["\(place + 1)", one.line, one.path]
          + Self.numbers.map { Self.text($0.value(choice)) }
          + [choice.distance.map(Self.text) ?? "", classes.joined(separator: " "), one.reason]
          + [mask(one.name), overlay(one.name)])
      var object = JSONLine()
      object.add("place", place + 1)
      object.add("image", one.line)
      object.add("path", one.path)
      for (key, value) in Self.numbers { object.add(key, value(choice)) }
      object.add("distance", choice.distance)
      object.add("classes", classes)
      object.add("reason", one.reason)
      object.add("mask", mask(one.name))
      object.add("overlay", overlay(one.name))
      objects.append(object)
    }
    var all = facts
    all.add("suggestions", objects)
    try FileSystem.replace("\(directory)/suggestions.csv", text: table.text)
    try FileSystem.replace("\(directory)/suggestions.json", text: all.text + "\n")
    // Written last: where this file exists, all others are complete.
    try FileSystem.replace("\(directory)/suggested.txt", text: suggestions.map { $0.line + "\n" }.joined())
  }

  /// The numbers of every suggestion, under their names in both tables.
  private static let numbers: [(key: String, value: @Sendable (Selection.Choice) -> Double)] = [
    ("score", { $0.score }), ("classes_score", { $0.parts.classes }), ("coverage_score", { $0.parts.coverage }),
    ("doubt_score", { $0.parts.doubt }), ("unreliable", { $0.unreliable }),
  ]

  private static func text(_ number: Double) -> String { String(format: "%.4f", number) }
}
