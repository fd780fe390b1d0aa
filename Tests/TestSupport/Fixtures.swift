import Compute
import Foundation

// Deterministic numbers shared with the PyTorch reference: every tensor of a fixture comes from its name.

/// splitmix64 of the name's FNV-1a hash plus 0, 1, 2 …
public func hashed(_ name: String, _ count: Int) -> [UInt64] {
  let seed = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  return (0..<count).map { i in
    var z = seed &+ UInt64(i) &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Numbers in [−1, 1), row-major.
public func uniform(_ name: String, _ count: Int) -> [Float] {
  hashed(name, count).map { Float(Double($0 >> 40) / 0x1p23 - 1) }
}

/// The fixture value of a parameter or running statistic.
public func namedValue(_ name: String, _ shape: [Int]) -> [Float] {
  let u = uniform(name, shape.reduce(1, *))
  if name.hasSuffix("running_var") || name.hasSuffix(".weight") && shape.count == 1 { return u.map { 1 + 0.1 * $0 } }
  if shape.count == 1 { return u.map { 0.1 * $0 } }
  let fanIn = shape.dropFirst().reduce(1, *)
  let bound = Float((6 / Double(fanIn)).squareRoot())
  return u.map { bound * $0 }
}

/// Labels [count, size, size]: constant blocks, some of them ignore (255).
public func blockLabels(
  _ name: String, count: Int, size: Int, classes: Int, block: Int = 16, ignoreEvery: UInt64 = 11
) -> [UInt8] {
  let side = (size + block - 1) / block
  let h = hashed(name, count * side * side)
  var labels = [UInt8]()
  labels.reserveCapacity(count * size * size)
  for n in 0..<count {
    for y in 0..<size {
      for x in 0..<size {
        let value = h[(n * side + y / block) * side + x / block]
        labels.append(value % ignoreEvery == 0 ? 255 : UInt8((value >> 8) % UInt64(classes)))
      }
    }
  }
  return labels
}

/// Reorders one N × C × H × W array to N × H × W × C.
public func channelsLast(_ nchw: [Float], _ shape: [Int]) -> [Float] {
  let (n, c, h, w) = (shape[0], shape[1], shape[2], shape[3])
  var out = [Float](repeating: 0, count: nchw.count)
  for i in 0..<n {
    for k in 0..<c {
      for p in 0..<h * w { out[(i * h * w + p) * c + k] = nchw[(i * c + k) * h * w + p] }
    }
  }
  return out
}

/// Norm, and entries at evenly spread positions of the tensor flattened as N × C × H × W, as the reference reports them.
public struct Probe: Decodable {
  public let norm: Double
  public let values: [Double]?

  /// The same numbers of `values`, given in the reference's order.
  public init(of values: [Float]) {
    norm = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    self.values = (0..<8).map { Double(values[$0 * (values.count - 1) / 7]) }
  }

  /// Largest difference of the norm or of an entry, relative to the norm of this, the expected one, or to `atLeast` if
  /// that is larger.
  public func distance(to other: Probe, atLeast: Double = 0) -> Double {
    let scale = max(norm, atLeast)
    var worst = abs(norm - other.norm) / scale
    for (a, b) in zip(values ?? [], other.values ?? []) { worst = max(worst, abs(a - b) / scale) }
    return worst.isNaN ? .infinity : worst
  }
}

/// Decodes a JSON resource of a test bundle.
public func loadExpected<T: Decodable>(_ type: T.Type, _ name: String, in bundle: Bundle) throws -> T {
  guard let url = bundle.url(forResource: "Expected/\(name)", withExtension: nil) else {
    throw ComputeError(description: "no resource Expected/\(name)")
  }
  return try JSONDecoder().decode(type, from: Data(contentsOf: url))
}
