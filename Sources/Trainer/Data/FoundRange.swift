import Configuration
import Dataset
import Distributed
import Transforms

// Percentiles of a data set's values, exact and the same on any number of ranks: values are counted, not sampled.

extension DataSets {
  /// The configuration with the values that the percentiles of `data.range` are; as it is where there are none to find.
  /// Collective.
  ///
  /// The p-th percentile of n values is the ⌈p·n/100⌉-th smallest, all values of all channels of the labeled and unlabeled
  /// images taken together, each image once. Images are read twice: first values are counted by the upper half of their
  /// bits, then those that may be the percentiles by the lower half.
  /// - Throws: ``CollectiveFailure`` on every rank where an image cannot be read, or where all values are the same.
  public func findingRange(_ configuration: Configuration, ranks: Communicator) throws -> Configuration {
    guard case .percentiles(let percentiles, found: nil) = configuration.data.range else { return configuration }
    let shares = [percentiles.lowerBound, percentiles.upperBound]
    let upper = try counts(ranks, parts: 1) { key, times, counts in counts[Int(key >> 16)] += times }
    let total = upper.reduce(0, +)
    var found: [Float] = []
    var bins: [(bin: Int, place: Int64)] = []
    for share in shares {
      let place = min(max(Int64((share * Double(total) / 100).rounded(.up)), 1), total)
      bins.append(Self.bin(upper, place))
    }
    let (first, second) = (bins[0].bin, bins[1].bin)
    let lower = try counts(ranks, parts: 2) { key, times, counts in
      if Int(key >> 16) == first { counts[Int(key & 0xFFFF)] += times }
      if Int(key >> 16) == second { counts[1 << 16 | Int(key & 0xFFFF)] += times }
    }
    for (number, bin) in bins.enumerated() {
      let part = Array(lower[number << 16..<(number + 1) << 16])
      found.append(Self.value(UInt32(bin.bin) << 16 | UInt32(Self.bin(part, bin.place).bin)))
    }
    try ranks.together {
      guard found[0] < found[1] else {
        throw DatasetError(
          description:
            "data.range: both percentiles of the training images are \(found[0]); give the range itself, such as "
            + "--set data.range=[0, 4095]")
      }
    }
    var configuration = configuration
    configuration.data.range = .percentiles(percentiles, found: Double(found[0])...Double(found[1]))
    return configuration
  }

  /// The bin that the `place`-th smallest of counted values, from 1, lies in, and its place within the bin.
  private static func bin(_ counts: [Int64], _ place: Int64) -> (bin: Int, place: Int64) {
    var rest = place
    for (bin, count) in counts.enumerated() {
      if rest <= count { return (bin, rest) }
      rest -= count
    }
    return (counts.count - 1, counts.last ?? 0)
  }

  /// How many values of all images fall into each of 2¹⁶ bins a part. Collective.
  ///
  /// - Parameter add: counts a value, given its key, whose order is that of the values, and how often it is there.
  private func counts(
    _ ranks: Communicator, parts: Int, _ add: (_ key: UInt32, _ times: Int64, _ counts: inout [Int64]) -> Void
  ) throws -> [Int64] {
    var counts = [Int64](repeating: 0, count: parts << 16)
    var seen: Set<String> = [], number = 0
    try ranks.together {
      for set in [labeled, unlabeled].compactMap({ $0 }) {
        for index in 0..<set.count where seen.insert(set.source(index).image).inserted {
          number += 1
          guard number % ranks.size == ranks.rank else { continue }
          Activity.advance()
          try set.namingOrigin(of: index) { try set.image(index) }.forEachDistinctValue { value, times in
            add(Self.key(value), times, &counts)
          }
        }
      }
    }
    return try ranks.sum(counts)
  }

  /// A number whose order is that of the values. There is no NaN among them.
  private static func key(_ value: Float) -> UInt32 {
    let bits = (value + 0).bitPattern
    return bits >> 31 == 1 ? ~bits : bits | 1 << 31
  }

  private static func value(_ key: UInt32) -> Float {
    Float(bitPattern: key >> 31 == 1 ? key & 0x7FFF_FFFF : ~key)
  }
}

extension Raster {
  /// Calls `body` with values and how often each is there; floats one by one.
  fileprivate func forEachDistinctValue(_ body: (Float, Int64) -> Void) {
    func count<Value: FixedWidthInteger>(_ values: [Value]) {
      var counts = [Int64](repeating: 0, count: 1 << Value.bitWidth)
      let least = Int(Value.min)
      values.withUnsafeBufferPointer { for value in $0 { counts[Int(value) - least] += 1 } }
      for (index, times) in counts.enumerated() where times > 0 { body(Float(index + least), times) }
    }
    switch values {
    case .uint8(let values): count(values)
    case .uint16(let values): count(values)
    case .int16(let values): count(values)
    case .float32(let values): values.withUnsafeBufferPointer { for value in $0 { body(value, 1) } }
    }
  }
}
