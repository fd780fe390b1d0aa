import Distributed
import Transforms

/// 95 % Hausdorff distances of each class in every case of a list, a case being all images of one name, in the order of the list:
/// the slices of one volume.
///
/// Pixels whose label is 255 belong to no class, in the prediction as well.
public struct CaseSurfaces {
  /// What one image has, on the rank that has evaluated it.
  private struct Slice {
    let height: Int
    let width: Int
    let truth: [UInt8]
    let prediction: [UInt8]
  }

  private let classes: Int
  private var slices: [Int: Slice] = [:]

  public init(classes: Int) { self.classes = classes }

  /// Keeps an image's mask and prediction: 2 bytes a pixel.
  public mutating func add(_ labels: LabelMap, prediction: [UInt8], image: Int) {
    slices[image] = Slice(height: labels.height, width: labels.width, truth: labels.values, prediction: prediction)
  }

  /// Distances of all cases, on every rank. Collective.
  ///
  /// Ranks take turns with cases, which are gathered one at a time.
  /// - Parameters:
  ///   - names: of each image's case.
  ///   - spacing: of a case's images, by the number of the first: in mm, or nil where it is not known.
  /// - Throws: ``CollectiveFailure`` on every rank where images of a case differ in size.
  public func distances(
    of names: [String], spacing: (_ image: Int) -> (slice: Double, row: Double, column: Double)?, _ ranks: Communicator
  ) throws -> CaseDistances {
    let cases = CaseDistances.cases(names)
    // Of each case and class: the bits of the distance, and whether truth and prediction have the class.
    var table = [Int64](repeating: 0, count: cases.count * classes * 2)
    let inMillimetres = cases.allSatisfy { spacing($0.images[0]) != nil }
    for (number, entry) in cases.enumerated() {
      let own = entry.images.filter { slices[$0] != nil }
      let facts = try ranks.sum(sizes(of: entry.images))
      try ranks.together {
        guard (0..<entry.images.count).allSatisfy({ facts[2 * $0] == facts[0] && facts[2 * $0 + 1] == facts[1] }) else {
          throw SurfaceError(
            description: "case \(entry.name): its images are not of one size, so that they make no volume; leave "
              + "--hausdorff out, or set --group")
        }
      }
      let bytes = try ranks.allGather(own.flatMap { slices[$0]!.truth + slices[$0]!.prediction }).elements
      let owners = try ranks.allGather(own.map(Int64.init)).elements
      guard number % ranks.size == ranks.rank else { continue }
      let volume = Volume(entry, facts, owners, bytes)
      let unit = inMillimetres ? spacing(entry.images[0])! : (1, 1, 1)
      for c in 0..<classes {
        let (distance, isTrue, isPredicted) = volume.distance(UInt8(c), unit)
        table[(number * classes + c) * 2] = Int64(bitPattern: (distance ?? 0).bitPattern)
        table[(number * classes + c) * 2 + 1] = (distance == nil ? 0 : 4) + (isTrue ? 2 : 0) + (isPredicted ? 1 : 0)
      }
    }
    table = try ranks.sum(table)
    return CaseDistances(
      names: cases.map(\.name), classes: classes, inMillimetres: inMillimetres,
      states: (0..<cases.count * classes).map { at in
        switch table[2 * at + 1] {
        case 4...: .distance(Double(bitPattern: UInt64(bitPattern: table[2 * at])))
        case 0: .absent
        default: .oneEmpty
        }
      })
  }

  /// Height and width of each image, 0 on ranks that do not have it.
  private func sizes(of images: [Int]) -> [Int64] {
    images.flatMap { image in slices[image].map { [Int64($0.height), Int64($0.width)] } ?? [0, 0] }
  }

  /// A case whose slices lie over each other.
  private struct Volume {
    let shape: (slices: Int, rows: Int, columns: Int)
    var truth: [UInt8]
    var prediction: [UInt8]

    init(_ entry: (name: String, images: [Int]), _ facts: [Int64], _ owners: [Int64], _ bytes: [UInt8]) {
      let (rows, columns) = (Int(facts[0]), Int(facts[1]))
      let plane = rows * columns
      shape = (entry.images.count, rows, columns)
      truth = [UInt8](repeating: 0, count: plane * entry.images.count)
      prediction = truth
      var place: [Int64: Int] = [:]
      for (number, image) in entry.images.enumerated() { place[Int64(image)] = number }
      for (number, image) in owners.enumerated() {
        let to = place[image]! * plane, from = 2 * number * plane
        truth.replaceSubrange(to..<to + plane, with: bytes[from..<from + plane])
        prediction.replaceSubrange(to..<to + plane, with: bytes[from + plane..<from + 2 * plane])
      }
    }

    func distance(
      _ label: UInt8, _ spacing: (slice: Double, row: Double, column: Double)
    ) -> (Double?, isTrue: Bool, isPredicted: Bool) {
      let a = truth.map { $0 == label }
      let b = zip(truth, prediction).map { $0 != LabelMap.ignore && $1 == label }
      let (isTrue, isPredicted) = (a.contains(true), b.contains(true))
      guard isTrue, isPredicted else { return (nil, isTrue, isPredicted) }
      return (SurfaceDistance(shape: shape, spacing: spacing).hausdorff95(a, b), true, true)
    }
  }
}

/// A case that has no surfaces to compare.
struct SurfaceError: Error, CustomStringConvertible {
  let description: String
}

/// 95 % Hausdorff distances of the classes in each case.
public struct CaseDistances: Sendable {
  public enum State: Sendable, Equatable {
    case distance(Double)
    /// Neither mask nor prediction have the class.
    case absent
    /// One of them has it: there is no distance, and the case is left out of means.
    case oneEmpty
  }

  public let names: [String]
  public let classes: Int
  /// Whether distances are in mm; else they are in pixels.
  public let inMillimetres: Bool
  /// Cases × classes.
  public let states: [State]

  /// Mean and standard deviation over the cases that have a distance; nil where there is none.
  public func mean(_ label: Int) -> (mean: Double, deviation: Double)? {
    let values = names.indices.compactMap { number -> Double? in
      guard case .distance(let value) = states[number * classes + label] else { return nil }
      return value
    }
    guard !values.isEmpty else { return nil }
    let mean = values.reduce(0, +) / Double(values.count)
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (mean, values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0)
  }

  /// Cases in which only the mask, or only the prediction, has the class.
  public func oneEmpty(_ label: Int) -> Int { names.indices.count { states[$0 * classes + label] == .oneEmpty } }

  /// The images of each name, in the order in which names come first.
  static func cases(_ names: [String]) -> [(name: String, images: [Int])] {
    var number: [String: Int] = [:]
    var cases: [(name: String, images: [Int])] = []
    for (image, name) in names.enumerated() {
      if let known = number[name] {
        cases[known].images.append(image)
      } else {
        number[name] = cases.count
        cases.append((name, [image]))
      }
    }
    return cases
  }
}
