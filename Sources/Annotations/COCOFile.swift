import Files

/// COCO's JSON of objects: `images`, `categories` and `annotations`, whose segmentations are polygons or runs, compressed or not.
package enum COCOFile {
  static let overlapRule =
    "smaller objects lie over larger ones, by their number of pixels, of equal ones the later; crowds lie under all objects and "
    + "are ignored"

  /// - Throws: ``FileError`` naming the file and the annotation.
  package static func read(_ path: String, ignoresRest: Bool) throws -> AnnotationSet {
    func problem(_ what: String) -> FileError { FileError(description: "\(path): \(what)") }
    guard let bytes = FileSystem.bytes(path) else { throw FileError.system("cannot be read", path) }
    guard let json = bytes.withUnsafeBufferPointer({ JSONValue($0) }) else {
      throw problem("is no JSON, or is cut short; export or download it again")
    }
    guard let images = json["images"]?.elements, let categories = json["categories"]?.elements else {
      throw problem("has no images or no categories, as COCO's files have; export it as COCO instances")
    }
    let named: [(id: Int, name: String)] = try categories.map { category in
      guard let id = category["id"]?.whole, let name = category["name"]?.text else {
        throw problem("one of its categories has no id or no name; export it again")
      }
      return (id, name)
    }.sorted { $0.id < $1.id }
    let numbers: ClassNumbers
    do { numbers = try ClassNumbers(named.map(\.name), ignoresRest: ignoresRest) } catch {
      throw problem("\(error)")
    }
    let names = Dictionary(named.map { ($0.id, $0.name) }) { a, _ in a }
    var place: [Int: Int] = [:]
    var set = AnnotationSet(classes: numbers.names, images: [], overlapRule: overlapRule)
    for image in images {
      guard let id = image["id"]?.whole, let file = image["file_name"]?.text, let height = image["height"]?.whole,
        let width = image["width"]?.whole, (1...100_000).contains(height), (1...100_000).contains(width),
        height * width <= 1 << 31
      else { throw problem("one of its images has no id, file_name, height or width; export it again") }
      place[id] = set.images.count
      set.images.append(AnnotatedImage(file: file, height: height, width: width))
    }
    var withoutArea = 0
    var objects: [[(object: AnnotatedObject, isCrowd: Bool)]] = set.images.map { _ in [] }
    for (number, annotation) in (json["annotations"]?.elements ?? []).enumerated() {
      let where_ = "annotation \(annotation["id"]?.whole.map(String.init) ?? "number \(number + 1)")"
      guard let image = annotation["image_id"]?.whole, let index = place[image] else {
        throw problem("\(where_): there is no image of its image_id")
      }
      guard let category = annotation["category_id"]?.whole, let name = names[category], let value = numbers.value(name)
      else { throw problem("\(where_): there is no category of its category_id") }
      let isCrowd = annotation["iscrowd"]?.number == 1
      guard let region = try region(annotation["segmentation"], "\(path): \(where_)") else {
        withoutArea += 1
        continue
      }
      objects[index].append((AnnotatedObject(region, value: isCrowd ? 255 : value), isCrowd))
    }
    if withoutArea > 0 {
      set.remarks.append("\(withoutArea) annotations without a segmentation (boxes or keypoints alone) are left out")
    }
    for index in set.images.indices {
      set.images[index].objects = try ordered(objects[index], set.images[index], path)
    }
    return set
  }

  /// Crowds first, then objects from the largest to the smallest.
  private static func ordered(
    _ objects: [(object: AnnotatedObject, isCrowd: Bool)], _ image: AnnotatedImage, _ path: String
  ) throws -> [AnnotatedObject] {
    try objects.enumerated().map { number, entry in
      let mask = try entry.object.region.mask(
        height: image.height, width: image.width, place: "\(path): \(image.file)")
      return (number, entry, entry.isCrowd ? Int.max : mask.count { $0 })
    }.sorted { ($1.2, $0.0) < ($0.2, $1.0) }.map(\.1.object)
  }

  /// - Returns: nil where there is none.
  private static func region(_ value: JSONValue?, _ place: String) throws -> Region? {
    if let polygons = value?.elements {
      let parts = try polygons.map { polygon -> [Double] in
        guard let numbers = polygon.numbers, let all = numbers as? [Double] else {
          throw FileError(description: "\(place): its segmentation is no list of polygons; export it again")
        }
        return all
      }
      return parts.isEmpty ? nil : .polygons(parts)
    }
    guard let value, !value.members.isEmpty else { return nil }
    guard let size = value["size"]?.numbers?.compactMap({ $0.flatMap { Int(exactly: $0) } }), size.count == 2 else {
      throw FileError(description: "\(place): its segmentation has no size; export it again")
    }
    let counts: [Int]? =
      if let text = value["counts"]?.text {
        Region.runs(compressed: text)
      } else {
        value["counts"]?.elements?.map { $0.whole ?? -1 }
      }
    guard let counts else {
      throw FileError(description: "\(place): the counts of its segmentation are damaged; export it again")
    }
    return .runs(counts, height: size[0], width: size[1])
  }
}
