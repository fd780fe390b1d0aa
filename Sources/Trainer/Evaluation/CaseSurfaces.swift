import Dataset
import Distributed
import Transforms

/// 95 % Hausdorff distances of each class in every case of a list, a case being all images of one name.
///
/// Slices of a volume lie over each other by their numbers; images that are of no volume, in the order of the list. The distance
/// of a case of several volumes is the mean over them. Pixels whose label is 255 belong to no class, in the prediction as well.
public struct CaseSurfaces {
  /// What one image has, on the rank that has evaluated it.
  private struct Slice {
    let height: Int
    let width: Int
    let truth: [UInt8]
    let prediction: [UInt8]
  }

  /// Images that lie over each other.
  package struct Stack: Equatable {
    /// The number of its case.
    package let number: Int
    package let name: String
    package let images: [Int]
    /// Of the first image.
    package let place: VolumePlace?
  }

  private let classes: Int
  private let names: [String]
  private let stacks: [Stack]
  private var slices: [Int: Slice] = [:]

  /// - Parameters:
  ///   - names: of each image's case.
  ///   - volume: what an image is a slice of; nil for an image of its own.
  /// - Throws: an error naming the volume, where slices between others are not in the list, or are not equally far apart.
  public init(classes: Int, names: [String], volume: (_ image: Int) -> VolumePlace?) throws {
    self.classes = classes
    let cases = CaseDistances.cases(names)
    self.names = cases.map(\.name)
    stacks = try Self.stacks(cases, volume)
  }

  package static func stacks(
    _ cases: [(name: String, images: [Int])], _ volume: (_ image: Int) -> VolumePlace?
  ) throws -> [Stack] {
    try cases.enumerated().flatMap { number, entry in
      let places = entry.images.map { (image: $0, place: volume($0)) }
      return try CaseDistances.cases(places.map { $0.place?.file ?? "" }).map { file, members in
        let slices = members.map { places[$0] }.sorted { ($0.place?.slice ?? 0) < ($1.place?.slice ?? 0) }
        func refuse(_ what: String) -> SurfaceError {
          SurfaceError(description: "\(file): \(what); mend the list, or leave --hausdorff out")
        }
        for (before, after) in zip(slices, slices.dropFirst()) {
          guard let a = before.place, let b = after.place else { continue }
          guard a.slice + 1 == b.slice else {
            throw refuse(
              a.slice == b.slice
                ? "its slice \(a.slice) is in the list twice, so that its slices make no volume"
                : "its slices \(a.slice) and \(b.slice) are in the list, and none between them, so that they make no volume"
            )
          }
          guard a.spacing == b.spacing else { throw refuse("its slices \(a.slice) and \(b.slice) differ in spacing") }
        }
        return Stack(
          number: number, name: entry.name, images: slices.map(\.image), place: slices[0].place)
      }
    }
  }

  /// Keeps an image's mask and prediction: 2 bytes a pixel.
  public mutating func add(_ labels: LabelMap, prediction: [UInt8], image: Int) {
    slices[image] = Slice(height: labels.height, width: labels.width, truth: labels.values, prediction: prediction)
  }

  /// Distances of all cases, on every rank. Collective.
  ///
  /// Stacks are gathered one at a time, one for each rank; then each rank measures its own.
  /// - Throws: ``CollectiveFailure`` on every rank where images of a stack differ in size.
  public func distances(_ ranks: Communicator) throws -> CaseDistances {
    // Of each stack and class: the bits of the distance, and whether truth and prediction have the class.
    var table = [Int64](repeating: 0, count: stacks.count * classes * 2)
    let inMillimetres = stacks.allSatisfy { $0.place?.spacing != nil }
    var mine: (number: Int, volume: Volume)?
    for (number, stack) in stacks.enumerated() {
      let own = stack.images.filter { slices[$0] != nil }
      let facts = try ranks.sum(sizes(of: stack.images))
      try ranks.together {
        guard (0..<stack.images.count).allSatisfy({ facts[2 * $0] == facts[0] && facts[2 * $0 + 1] == facts[1] }) else {
          throw SurfaceError(
            description: "case \(stack.name): its images are not of one size, so that they make no volume; leave "
              + "--hausdorff out, or set --group")
        }
      }
      let bytes = try ranks.allGather(own.flatMap { slices[$0]!.truth + slices[$0]!.prediction }).elements
      let owners = try ranks.allGather(own.map(Int64.init)).elements
      if number % ranks.size == ranks.rank { mine = (number, Volume(stack, facts, owners, bytes)) }
      // All of this round's are gathered.
      guard (number + 1) % ranks.size == 0 || number + 1 == stacks.count, let (number, volume) = mine else { continue }
      mine = nil
      let spacing = stacks[number].place?.spacing
      let unit = inMillimetres ? spacing.map { ($0.slice, $0.row, $0.column) }! : (1, 1, 1)
      for c in 0..<classes {
        let (distance, isTrue, isPredicted) = volume.distance(UInt8(c), unit)
        table[(number * classes + c) * 2] = Int64(bitPattern: (distance ?? 0).bitPattern)
        table[(number * classes + c) * 2 + 1] = (distance == nil ? 0 : 4) + (isTrue ? 2 : 0) + (isPredicted ? 1 : 0)
      }
    }
    table = try ranks.sum(table)
    var parts = [[CaseDistances.State]](repeating: [], count: names.count * classes)
    for (at, stack) in stacks.enumerated() {
      for c in 0..<classes {
        let place = 2 * (at * classes + c)
        let state: CaseDistances.State =
          switch table[place + 1] {
          case 4...: .distance(Double(bitPattern: UInt64(bitPattern: table[place])))
          case 0: .absent
          default: .oneEmpty
          }
        parts[stack.number * classes + c].append(state)
      }
    }
    return CaseDistances(
      names: names, classes: classes, inMillimetres: inMillimetres, states: parts.map { CaseDistances.State(of: $0) })
  }

  /// Height and width of each image, 0 on ranks that do not have it.
  private func sizes(of images: [Int]) -> [Int64] {
    images.flatMap { image in slices[image].map { [Int64($0.height), Int64($0.width)] } ?? [0, 0] }
  }

  /// A stack's pixels, slice by slice.
  private struct Volume {
    let shape: (slices: Int, rows: Int, columns: Int)
    var truth: [UInt8]
    var prediction: [UInt8]

    init(_ stack: Stack, _ facts: [Int64], _ owners: [Int64], _ bytes: [UInt8]) {
      let (rows, columns) = (Int(facts[0]), Int(facts[1]))
      let plane = rows * columns
      shape = (stack.images.count, rows, columns)
      truth = [UInt8](repeating: 0, count: plane * stack.images.count)
      prediction = truth
      var place: [Int64: Int] = [:]
      for (number, image) in stack.images.enumerated() { place[Int64(image)] = number }
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
    /// One of them has it, in any of the case's volumes: there is no distance, and the case is left out of means.
    case oneEmpty

    /// Of a case, from those of its volumes.
    package init(of volumes: [State]) {
      let distances = volumes.compactMap { if case .distance(let value) = $0 { value } else { nil } }
      if volumes.contains(.oneEmpty) {
        self = .oneEmpty
      } else if distances.isEmpty {
        self = .absent
      } else {
        self = .distance(distances.count == 1 ? distances[0] : distances.reduce(0, +) / Double(distances.count))
      }
    }
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
