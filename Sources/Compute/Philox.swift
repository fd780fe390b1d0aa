/// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
///
/// A draw is a pure function of the seed and of what it is for, so it does not depend on who makes it, no generator
/// state exists, and nothing about randomness is saved in a checkpoint.
public struct Philox: Sendable {
  private let key: (UInt32, UInt32)

  /// - Parameter seed: the run's 64-bit seed; its low and high halves are the key.
  public init(seed: UInt64) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
  }

  /// The four words at the counter (index, item, step, stream).
  ///
  /// - Parameters:
  ///   - index: which draw of its kind.
  ///   - item: class, sample slot, or parameter, as the stream defines.
  ///   - step: global step, epoch or pass, as the stream defines.
  @inlinable
  public func words(index: UInt32, item: UInt32, step: UInt32, stream: RandomStream) -> SIMD4<UInt32> {
    words(counter: SIMD4(index, item, step, stream.rawValue))
  }

  /// An index below `count`, uniform: `(word0 · count) >> 32`.
  @inlinable
  public func index(below count: Int, index: UInt32, item: UInt32, step: UInt32, stream: RandomStream) -> Int {
    let word = words(index: index, item: item, step: step, stream: stream)[0]
    return Int((UInt64(word) &* UInt64(count)) >> 32)
  }

  /// Ten rounds on the raw counter.
  public func words(counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var (k0, k1) = key
    for _ in 0..<10 {
      let p0 = UInt64(c[0]) &* 0xD251_1F53
      let p1 = UInt64(c[2]) &* 0xCD9E_8D57
      c = SIMD4(
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c[1] ^ k0, UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c[3] ^ k1, UInt32(truncatingIfNeeded: p0))
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return c
  }
}

/// What a draw is for; the fourth word of Philox's counter. Two purposes never share a stream. docs/method.md lists all.
public struct RandomStream: RawRepresentable, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Anchors of the contrastive loss: index 0…M−1, item = class, step.
  public static let anchors = RandomStream(rawValue: 1)
  /// Negatives: index i·N + j, item = class, step.
  public static let negatives = RandomStream(rawValue: 2)
  /// Which new keys enter the bank: index = position among the class's new keys, item = class, step.
  public static let enqueue = RandomStream(rawValue: 3)
  /// Order of the labeled list: index = position, step = pass over the list, item = 0, or 1 + the window of steps whose pass
  /// it is.
  public static let labeledOrder = RandomStream(rawValue: 16)
  /// Order of the unlabeled list: index = position, step = pass over the list.
  public static let unlabeledOrder = RandomStream(rawValue: 17)
  /// Augmentation of labeled images: index = which quantity, item = global slot, step.
  public static let labeledAugmentation = RandomStream(rawValue: 18)
  /// Augmentation of unlabeled images: index = which quantity, item = global slot, step.
  public static let unlabeledAugmentation = RandomStream(rawValue: 19)
  /// Mixing of the strong view: index = which quantity, item = global slot (2³² − 1 for the one draw a step), step.
  public static let mixing = RandomStream(rawValue: 20)
  /// Channel dropout: index = network · 2³¹ + layer · 2²⁰ + channel, item = global slot, step.
  public static let dropout = RandomStream(rawValue: 21)
  /// Initial weights: index = element pair, item = hash of the parameter's name.
  public static let initialization = RandomStream(rawValue: 22)
  /// The generated data set: index = number of the four words, item = image.
  public static let shapes = RandomStream(rawValue: 23)
  /// What the student alone sees of unlabeled images: index = which quantity, item = global slot, step.
  public static let strongView = RandomStream(rawValue: 24)
  /// Classes that copy-paste takes: index = class, item = global slot, step.
  public static let copyPaste = RandomStream(rawValue: 25)
  /// Labeled samples that hold a given class: index = which quantity, item = global slot, step.
  public static let balance = RandomStream(rawValue: 26)
  /// Which images of a list are labeled, or for validation: index = position in the list, item = 0, or 1.
  public static let listSplit = RandomStream(rawValue: 32)
}

extension UInt32 {
  /// This word as a number in [0, 1), all 32 bits used.
  @inlinable public var unitInterval: Double { Double(self) * 0x1p-32 }
}
