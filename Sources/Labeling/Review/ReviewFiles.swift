import Dataset
import Files
import Foundation

/// The files that `review` writes into a folder of its own: `review.csv`, `review.json`, and overlays of the worst.
package struct ReviewFiles {
  private let directory: String

  package init(_ directory: String) { self.directory = directory }

  package func overlay(_ name: String) -> String { "\(directory)/overlays/\(name).png" }

  /// Makes the folders. One rank calls this.
  ///
  /// - Throws: `FileError`.
  package func prepare(_ names: [String]) throws {
    for folder in Set([directory] + names.map { FileSystem.directory(of: overlay($0)) }).sorted() {
      try FileSystem.createDirectory(folder)
    }
  }

  /// Writes the tables. One rank calls this.
  ///
  /// - Parameters:
  ///   - names: those of the overlays; the first findings have one each.
  ///   - facts: what the review was computed from.
  ///   - classNames: of all classes.
  /// - Throws: `FileError`.
  package func writeTables(
    _ findings: [LabelFinding], _ set: any ImageSet, names: [String], _ facts: JSONLine, classNames: [String]
  ) throws {
    var table = Table([
      "place", "image", "score", "kind", "labeled", "seen", "share", "left", "top", "width", "height", "down", "right",
      "words", "path", "mask", "overlay",
    ])
    var objects: [JSONLine] = []
    for (place, one) in findings.enumerated() {
      let source = set.source(one.image)
      let label = one.label.map { classNames[$0] } ?? "", seen = one.seen.map { classNames[$0] } ?? ""
      let words = one.words { classNames[$0] }
      let overlay = place < names.count ? overlay(names[place]) : ""
      let box = one.box.map { [$0.left, $0.top, $0.width, $0.height] }
      table.add(
        ["\(place + 1)", set.line(one.image), String(format: "%.4f", one.score), one.kind.rawValue, label, seen]
          + [String(format: "%.4f", one.share)] + (box?.map(String.init) ?? ["", "", "", ""])
          + ["\(one.down)", "\(one.right)", words, source.image, source.mask ?? "", overlay])
      var object = JSONLine()
      object.add("place", place + 1)
      object.add("image", set.line(one.image))
      object.add("score", one.score)
      object.add("kind", one.kind.rawValue)
      object.add("labeled", label)
      object.add("seen", seen)
      object.add("share", one.share)
      object.add("box", box ?? [])
      object.add("down", one.down)
      object.add("right", one.right)
      object.add("words", words)
      object.add("path", source.image)
      object.add("mask", source.mask ?? "")
      object.add("overlay", overlay)
      objects.append(object)
    }
    var all = facts
    all.add("findings", objects)
    try FileSystem.replace("\(directory)/review.csv", text: table.text)
    try FileSystem.replace("\(directory)/review.json", text: all.text + "\n")
  }
}
