import Files
import Foundation
import FoundationXML

/// CVAT's XML `CVAT for images 1.1`: polygons, boxes, ellipses and masks.
package enum CVATFile {
  static let overlapRule = "objects of a greater z_order lie over others, of equal ones the later in the file"

  /// - Throws: ``FileError`` naming the file and the line.
  package static func read(_ path: String, ignoresRest: Bool) throws -> AnnotationSet {
    guard let bytes = FileSystem.bytes(path) else { throw FileError.system("cannot be read", path) }
    let reader = Reader(path)
    let parser = XMLParser(data: Data(bytes))
    parser.delegate = reader
    let isWhole = parser.parse()
    if let failure = reader.failure { throw failure }
    guard isWhole, reader.isCVAT, reader.isClosed else {
      throw FileError(
        description:
          "\(path): is no XML of CVAT, or is cut short (line \(parser.lineNumber)); export it as CVAT for images 1.1")
    }
    let numbers: ClassNumbers
    do {
      let found = reader.images.flatMap { $0.objects.map(\.label) }
      numbers = try ClassNumbers(reader.labels.isEmpty ? Set(found).sorted() : reader.labels, ignoresRest: ignoresRest)
    } catch { throw FileError(description: "\(path): \(error)") }
    var set = AnnotationSet(classes: numbers.names, images: [], overlapRule: overlapRule)
    for image in reader.images {
      let objects = try image.objects.enumerated().sorted {
        ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
      }
      .map { _, object in
        guard let value = numbers.value(object.label) else {
          throw FileError(description: "\(path), line \(object.line): '\(object.label)' is no label of the task")
        }
        return AnnotatedObject(object.region, value: value)
      }
      set.images.append(AnnotatedImage(file: image.file, height: image.height, width: image.width, objects: objects))
    }
    set.remarks = reader.left.sorted { $0.key < $1.key }.map {
      "\($0.value) objects of the type \($0.key) are left out"
    }
    return set
  }

  private struct Object {
    let label: String
    let order: Int
    let region: Region
    let line: Int
  }

  private final class Reader: NSObject, XMLParserDelegate {
    let path: String
    private(set) var isCVAT = false
    private(set) var labels: [String] = []
    private(set) var images: [(file: String, height: Int, width: Int, objects: [Object])] = []
    private(set) var left: [String: Int] = [:]
    private(set) var failure: FileError?
    /// Elements that are open, from the root on.
    private var open: [String] = []
    private var text = ""

    /// Whether every element has ended.
    var isClosed: Bool { open.isEmpty }

    init(_ path: String) { self.path = path }

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      if open.isEmpty { isCVAT = name == "annotations" }
      open.append(name)
      text = ""
      guard failure == nil else { return }
      do {
        if open == ["annotations", "track"] {
          throw ImportRefusal("holds tracks of a film; export the task as CVAT for images 1.1")
        } else if open == ["annotations", "image"] {
          guard let file = attributes["name"], let height = attributes["height"].flatMap(Int.init),
            let width = attributes["width"].flatMap(Int.init), (1...100_000).contains(height),
            (1...100_000).contains(width), height * width <= 1 << 31
          else { throw ImportRefusal("an image has no name, width or height, or an impossible size") }
          images.append((file, height, width, []))
        } else if open.count == 3, open[1] == "image", name != "tag" {
          guard let region = try Self.region(name, attributes) else {
            left[name, default: 0] += 1
            return
          }
          guard let label = attributes["label"] else { throw ImportRefusal("an object has no label") }
          images[images.count - 1].objects.append(
            Object(
              label: label, order: attributes["z_order"].flatMap(Int.init) ?? 0, region: region, line: parser.lineNumber
            ))
        }
      } catch {
        failure = FileError(description: "\(path), line \(parser.lineNumber): \(error)")
        parser.abortParsing()
      }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
      // The names of labels; those of attributes are deeper.
      if name == "name", open.suffix(3) == ["labels", "label", "name"] {
        labels.append(text.trimmingCharacters(in: .whitespacesAndNewlines))
      }
      open.removeLast()
    }

    /// - Returns: nil for an object without area.
    private static func region(_ kind: String, _ attributes: [String: String]) throws -> Region? {
      func number(_ key: String) throws -> Double {
        guard let value = attributes[key].flatMap(Double.init), value.isFinite else {
          throw ImportRefusal("a \(kind) has no number \(key)")
        }
        return value
      }
      func angle() throws -> (cosine: Double, sine: Double) {
        let degrees = try attributes["rotation"] == nil ? 0 : number("rotation")
        return (cos(degrees * .pi / 180), sin(degrees * .pi / 180))
      }
      switch kind {
      case "polygon":
        let points = (attributes["points"] ?? "").split(separator: ";").map {
          $0.split(separator: ",").map { Double($0) }
        }
        guard points.count >= 3, points.allSatisfy({ $0.count == 2 && $0[0] != nil && $0[1] != nil }) else {
          throw ImportRefusal("a polygon has fewer than three points, or points that are no numbers")
        }
        return .polygons([points.flatMap { $0.compactMap { $0 } }])
      case "box":
        let (left, top, right, bottom) = try (number("xtl"), number("ytl"), number("xbr"), number("ybr"))
        let (x, y) = ((left + right) / 2, (top + bottom) / 2), turn = try angle()
        return .polygons([
          [(left, top), (right, top), (right, bottom), (left, bottom)].flatMap { corner in
            let (dx, dy) = (corner.0 - x, corner.1 - y)
            return [x + dx * turn.cosine - dy * turn.sine, y + dx * turn.sine + dy * turn.cosine]
          }
        ])
      case "ellipse":
        return .ellipse(
          x: try number("cx"), y: try number("cy"), radiusX: try number("rx"), radiusY: try number("ry"),
          angle: try angle())
      case "mask":
        let (left, top, width, height) = try (number("left"), number("top"), number("width"), number("height"))
        guard [left, top, width, height].allSatisfy({ $0 == $0.rounded() && abs($0) < 1e5 }), width > 0, height > 0,
          width * height <= 1e9
        else { throw ImportRefusal("a mask has an impossible size") }
        var inside: [Bool] = []
        for (index, count) in (attributes["rle"] ?? "").split(separator: ",").enumerated() {
          guard let count = Int(count.trimmingCharacters(in: .whitespaces)), count >= 0,
            count <= Int(width * height) - inside.count
          else { throw ImportRefusal("a mask's runs are longer than its box, or no numbers") }
          inside += repeatElement(index % 2 == 1, count: count)
        }
        guard inside.count == Int(width * height) else { throw ImportRefusal("a mask's runs are shorter than its box") }
        return .box(inside, left: Int(left), top: Int(top), width: Int(width))
      default: return nil
      }
    }
  }
}
