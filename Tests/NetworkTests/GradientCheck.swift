import Compute
import Foundation
import Network
import TestSupport
import XCTest

/// Compares a layer with its plain double-precision counterpart.
///
/// The outputs are compared as they are. For the gradients a random linear functional of the outputs stands in for the
/// loss; the layer's backward pass in single precision is compared with central differences of the counterpart, which
/// are sharp to about 1e-8: what differs is the rounding of the backward pass, or an error in it.
struct GradientCheck {
  let name: String
  /// Parameters of the layer, allocated and filled with fixture values here; nil for a layer without.
  let parameters: Parameters?
  /// How many elements of an array are moved one at a time; the rest is seen along random directions.
  var elements = 400
  var directions = 2
  /// Step of the central differences: so small that no activation passes a kink of ReLU or max-pooling on the way.
  var step = 1e-7
  /// Largest difference of an output, relative to the greatest output. Measured for single layers: 1e-6.
  var outputTolerance = 5e-6
  /// Largest difference of a gradient's element, relative to the greatest of its array (or to a hundredth of the
  /// greatest of all: a bias before batch norm has no gradient but rounding). Measured for single layers and blocks:
  /// 2e-5 at most, 1e-6 for most.
  var tolerance = 1e-4

  init(_ name: String, _ parameters: Parameters? = nil) {
    self.name = name
    self.parameters = parameters
    guard let parameters else { return }
    if parameters.values.isEmpty { parameters.allocate() }
    for entry in parameters.entries where entry.kind != .counter {
      _ = parameters.storage(entry).update(fromContentsOf: namedValue(entry.name, entry.shape))
    }
    parameters.markChanged()
  }

  /// A map of fixture numbers in [−1, 1).
  static func map(_ name: String, count: Int, height: Int, width: Int, channels: Int) -> Map {
    let values = uniform(name, count * height * width * channels).map(Double.init)
    return Map(count: count, height: height, width: width, channels: channels, values: values)
  }

  /// The parameters as the plain layers take them.
  var values: [String: Values] {
    var out: [String: Values] = [:]
    for entry in parameters?.entries ?? [] where entry.kind == .parameter {
      out[entry.name] = Values(shape: entry.shape, values: parameters!.storage(entry).map(Double.init))
    }
    return out
  }

  /// What a comparison found, each relative to its tolerance: 1 is just allowed.
  struct Deviations {
    var outputs: [(name: String, ratio: Double)] = []
    var gradients: [(name: String, ratio: Double)] = []
    var worst: (name: String, ratio: Double) {
      (outputs + gradients).max { $0.ratio < $1.ratio } ?? ("nothing was compared", .infinity)
    }
  }

  /// Compares as ``deviations(_:forward:backward:reference:)`` does, and fails where a tolerance is exceeded.
  func run(
    _ inputs: [Map], forward: ([Tensor]) throws -> [Tensor], backward: ([Tensor]) throws -> [Tensor?],
    reference: ([Map], [String: Values]) -> [Map], file: StaticString = #filePath, line: UInt = #line
  ) throws {
    let found = try deviations(inputs, forward: forward, backward: backward, reference: reference)
    XCTAssertFalse(found.gradients.isEmpty, "\(name) has no gradient to compare", file: file, line: line)
    for (part, ratio) in found.outputs {
      XCTAssertLessThanOrEqual(ratio * outputTolerance, outputTolerance, "\(name): \(part)", file: file, line: line)
    }
    for (part, ratio) in found.gradients {
      XCTAssertLessThanOrEqual(ratio * tolerance, tolerance, "\(name): gradient of \(part)", file: file, line: line)
    }
  }

  /// - Parameters:
  ///   - forward: the layer; may overwrite its inputs.
  ///   - backward: gradients of the outputs → gradients of the inputs, nil where it has none to give.
  ///   - reference: the counterpart.
  func deviations(
    _ inputs: [Map], forward: ([Tensor]) throws -> [Tensor], backward: ([Tensor]) throws -> [Tensor?],
    reference: ([Map], [String: Values]) -> [Map]
  ) throws -> Deviations {
    var found = Deviations()
    let expected = reference(inputs, values)
    let outputs = try forward(inputs.map(\.tensor)).map(Map.init)
    for (number, plain) in expected.enumerated() {
      let ratio = number < outputs.count ? distance(outputs[number], plain) / outputTolerance : .infinity
      found.outputs.append(("output \(number)", ratio))
    }
    guard found.worst.ratio.isFinite else { return found }

    let weights = expected.enumerated().map { number, map in
      Self.map(
        "\(name) functional \(number)", count: map.count, height: map.height, width: map.width,
        channels: map.channels)
    }
    parameters?.gradients.update(repeating: .nan)
    let inputGradients = try backward(weights.map(\.tensor))
    func loss(_ inputs: [Map], _ values: [String: Values]) -> Double {
      zip(reference(inputs, values), weights).reduce(0) { sum, pair in
        zip(pair.0.values, pair.1.values).reduce(sum) { $0 + $1.0 * $1.1 }
      }
    }

    var arrays: [Differentiated] = []
    for (number, gradient) in inputGradients.enumerated() {
      guard let gradient else { continue }
      arrays.append(
        differentiate("input \(number)", Map(gradient).values, inputs[number].values.count) { move in
          var moved = inputs
          move(&moved[number].values)
          return loss(moved, values)
        })
    }
    let at = values
    for entry in parameters?.entries ?? [] where entry.kind == .parameter {
      arrays.append(
        differentiate(entry.name, parameters!.gradient(entry).map(Double.init), entry.count) { move in
          var moved = at
          move(&moved[entry.name]!.values)
          return loss(inputs, moved)
        })
    }
    let greatest = arrays.map(\.greatest).max() ?? 0
    found.gradients = arrays.map { ($0.name, $0.difference / (tolerance * max($0.greatest, 1e-2 * greatest))) }
    return found
  }

  private struct Differentiated {
    let name: String
    /// Largest difference of analytic and numerical gradient, along a direction per √length, as an element's.
    let difference: Double
    let greatest: Double
  }

  /// - Parameter lossOfMoved: the loss when the array has been changed by the closure it is given.
  private func differentiate(
    _ array: String, _ gradient: [Double], _ count: Int, _ lossOfMoved: ((inout [Double]) -> Void) -> Double
  ) -> Differentiated {
    guard gradient.count == count else { return Differentiated(name: array, difference: .infinity, greatest: 1) }
    var difference = 0.0
    var greatest = gradient.reduce(0) { max($0, abs($1)) }
    func note(_ analytic: Double, _ numerical: Double) {
      let error = abs(analytic - numerical)
      difference = error.isNaN ? .infinity : max(difference, error)
    }
    for i in stride(from: 0, to: count, by: max(1, (count + elements - 1) / max(elements, 1))) where elements > 0 {
      let slope = (lossOfMoved { $0[i] += step } - lossOfMoved { $0[i] -= step }) / (2 * step)
      note(gradient[i], slope)
      greatest = max(greatest, abs(slope))
    }
    for number in 0..<directions {
      let direction = uniform("\(name) \(array) direction \(number)", count).map(Double.init)
      func loss(_ sign: Double) -> Double {
        lossOfMoved { values in
          for i in 0..<count { values[i] += sign * step * direction[i] }
        }
      }
      let slope = (loss(1) - loss(-1)) / (2 * step)
      let analytic = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
      let root = Double(count).squareRoot()
      note(analytic / root, slope / root)
    }
    return Differentiated(name: array, difference: difference, greatest: greatest)
  }

  private func distance(_ got: Map, _ plain: Map) -> Double {
    guard
      [got.count, got.height, got.width, got.channels] == [plain.count, plain.height, plain.width, plain.channels]
    else { return .infinity }
    let greatest = plain.values.reduce(1e-30) { max($0, abs($1)) }
    return zip(got.values, plain.values).reduce(0) { worst, pair in
      let error = abs(pair.0 - pair.1) / greatest
      return error.isNaN ? .infinity : max(worst, error)
    }
  }
}

extension Pass {
  /// A recorded training pass over some slots, all on this rank.
  static func training(labeled: Int, unlabeled: Int, kind: SlotKind = .all, dropout: ChannelDropout? = nil) -> Pass {
    Pass(
      mode: .training, recordsForBackward: true, tree: SlotTree(labeled: labeled, unlabeled: unlabeled), kind: kind,
      dropout: dropout)
  }
}
