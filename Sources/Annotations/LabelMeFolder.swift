import Dataset
import Files
import Foundation
import Transforms

/// A folder of the JSON files that LabelMe writes, one for each image, at any depth.
package enum LabelMeFolder {
  static let overlapRule = "later objects of a file lie over earlier ones"

  /// - Parameter classes: names in order; nil for those that occur, sorted.
  /// - Throws: ``FileError`` naming the file and the shape.
  package static func read(_ folder: String, classes: [String]?, ignoresRest: Bool) throws -> AnnotationSet {
    let files = try (FileManager.default.subpathsOfDirectory(atPath: folder)).filter { $0.hasSuffix(".json") }.sorted()
    guard !files.isEmpty else { throw FileError(description: "\(folder): holds no .json file of LabelMe") }
    let documents = try files.map { file in
      let path = "\(folder)/\(file)"
      guard let bytes = FileSystem.bytes(path), let json = bytes.withUnsafeBufferPointer({ JSONValue($0) }),
        let shapes = json["shapes"]?.elements
      else {
        throw FileError(description: "\(path): is no file of LabelMe: it has no shapes; take it out of the folder")
      }
      return (file, json, shapes)
    }
    let labels = documents.flatMap { $0.2.compactMap { $0["label"]?.text } }
    let numbers: ClassNumbers
    do {
      numbers = try ClassNumbers(
        classes ?? Set(labels.filter { $0 != "__ignore__" }).sorted(), ignoresRest: ignoresRest)
    } catch { throw FileError(description: "\(folder): \(error)") }
    var set = AnnotationSet(classes: numbers.names, images: [], overlapRule: overlapRule)
    var left: [String: Int] = [:]
    for (file, json, shapes) in documents {
      let path = "\(folder)/\(file)"
      guard let height = json["imageHeight"]?.whole, let width = json["imageWidth"]?.whole,
        (1...100_000).contains(height), (1...100_000).contains(width), height * width <= 1 << 31
      else {
        throw FileError(
          description: "\(path): has no imageHeight or imageWidth, or an impossible one; save it again with LabelMe")
      }
      // The image lies beside the file, whatever folder it was in on another computer.
      let image = (json["imagePath"]?.text ?? file).replacing("\\", with: "/").split(separator: "/").last.map(
        String.init)
      let place = FileSystem.directory(of: file)
      var annotated = AnnotatedImage(
        file: place == "." ? image ?? file : "\(place)/\(image ?? file)", height: height, width: width)
      for (number, shape) in shapes.enumerated() {
        let name = shape["label"]?.text ?? ""
        guard let value = name == "__ignore__" ? 255 : numbers.value(name) else {
          throw FileError(
            description:
              "\(path), shape \(number + 1): '\(name)' is no class: there are \(numbers.names.joined(separator: ", "))")
        }
        if let region = try region(shape, "\(path), shape \(number + 1)") {
          annotated.objects.append(AnnotatedObject(region, value: value))
        } else {
          left[shape["shape_type"]?.text ?? "unknown", default: 0] += 1
        }
      }
      set.images.append(annotated)
    }
    set.remarks = left.sorted { $0.key < $1.key }.map {
      "\($0.value) shapes of the type \($0.key) have no area and are left out"
    }
    return set
  }

  /// - Returns: nil for a shape without area.
  private static func region(_ shape: JSONValue, _ place: String) throws -> Region? {
    let points = (shape["points"]?.elements ?? []).compactMap { point -> (x: Double, y: Double)? in
      guard let numbers = point.numbers, numbers.count == 2, let x = numbers[0], let y = numbers[1] else { return nil }
      return (x, y)
    }
    func require(_ count: Int) throws {
      guard points.count >= count else {
        throw FileError(
          description: "\(place): has \(points.count) points, and \(count) are needed; mend it with LabelMe")
      }
    }
    switch shape["shape_type"]?.text ?? "polygon" {
    case "polygon":
      try require(3)
      return .polygons([points.flatMap { [$0.x, $0.y] }])
    case "rectangle":
      try require(2)
      let (a, b) = (points[0], points[1])
      return .polygons([[a.x, a.y, b.x, a.y, b.x, b.y, a.x, b.y]])
    case "circle":
      try require(2)
      let (dx, dy) = (points[1].x - points[0].x, points[1].y - points[0].y)
      let radius = (dx * dx + dy * dy).squareRoot()
      return .ellipse(x: points[0].x, y: points[0].y, radiusX: radius, radiusY: radius, angle: (1, 0))
    case "mask":
      try require(2)
      guard let text = shape["mask"]?.text, let data = Data(base64Encoded: text),
        let mask = try? ImageFile.decodeLabels(Array(data), place)
      else { throw FileError(description: "\(place): its mask is no PNG; save it again with LabelMe") }
      guard abs(points[0].x) < 1e6, abs(points[0].y) < 1e6 else {
        throw FileError(description: "\(place): its mask lies far outside of any image; mend it with LabelMe")
      }
      return .box(mask.values.map { $0 != 0 }, left: Int(points[0].x), top: Int(points[0].y), width: mask.width)
    default: return nil
    }
  }
}
