/// The annotation of one image, as a tool has written it.
package struct AnnotatedImage {
  /// Of the image's file, as the annotation has it.
  package let file: String
  package let height: Int
  package let width: Int
  /// Later ones lie over earlier ones.
  package var objects: [AnnotatedObject]

  package init(file: String, height: Int, width: Int, objects: [AnnotatedObject] = []) {
    (self.file, self.height, self.width, self.objects) = (file, height, width, objects)
  }

  /// A class number for each pixel, row-major.
  ///
  /// - Parameter rest: the value of pixels that no object covers.
  /// - Throws: ``FileError`` where an object does not fit the image.
  package func labels(rest: UInt8, place: String) throws -> [UInt8] {
    var labels = [UInt8](repeating: rest, count: height * width)
    for object in objects {
      for (pixel, isCovered) in try object.region.mask(height: height, width: width, place: place).enumerated()
      where isCovered { labels[pixel] = object.value }
    }
    return labels
  }
}

/// One object: where it is, and the class number that its pixels get, or 255 for pixels that are ignored.
package struct AnnotatedObject {
  package let region: Region
  package var value: UInt8

  package init(_ region: Region, value: UInt8) { (self.region, self.value) = (region, value) }
}

/// Annotations of a data set.
package struct AnnotationSet {
  /// Names of the classes 0, 1, ….
  package var classes: [String]
  package var images: [AnnotatedImage]
  /// What was left out, such as `3 objects of the type point, which have no area`.
  package var remarks: [String] = []
  /// What objects cover where they overlap, in words.
  package let overlapRule: String
}

/// The classes that objects get, by name.
package struct ClassNumbers {
  package private(set) var names: [String]
  /// The value of pixels that no object covers.
  package let rest: UInt8

  /// - Parameters:
  ///   - names: of the classes, in order. One that is called background (`_background_`, in any case) is class 0.
  ///   - ignoresRest: whether pixels that no object covers are ignored; else they are class 0, background.
  package init(_ names: [String], ignoresRest: Bool) throws(ImportRefusal) {
    let backgrounds: Set<String> = ["background", "_background_", "__background__"]
    var found: [String] = []
    for name in names where !backgrounds.contains(name.lowercased()) && !found.contains(name) { found.append(name) }
    let hasBackground = names.contains { backgrounds.contains($0.lowercased()) }
    self.names = (ignoresRest && !hasBackground ? [] : ["background"]) + found
    rest = ignoresRest ? 255 : 0
    guard (2...255).contains(self.names.count) else {
      throw ImportRefusal(
        "there are \(self.names.count) classes (\(self.names.prefix(5).joined(separator: ", "))); from 2 to 255 can be trained on"
      )
    }
  }

  package func value(_ name: String) -> UInt8? {
    if let number = names.firstIndex(of: name) { return UInt8(number) }
    return names.first == "background" && ["background", "_background_", "__background__"].contains(name.lowercased())
      ? 0 : nil
  }
}

/// What cannot be imported, without the name of the file.
package struct ImportRefusal: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}
