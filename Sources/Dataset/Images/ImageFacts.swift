/// What decoding an image has told besides its pixels.
public struct ImageFacts: Sendable, Equatable {
  /// As it is shown.
  public let height: Int
  public let width: Int
  /// As stored: 1 of grey, 3 of colour or a palette, one more with alpha.
  public let channels: Int
  /// EXIF's, 1 to 8, which has been applied.
  public let orientation: Int
  /// What is wrong with the file, although viewers show it and it is read as they show it; nil for nothing.
  public let flaw: String?
  /// What the values of a 16-bit image use of which the high byte was kept; nil for other images.
  public let depth: Depth?

  /// Of 16-bit values, of which the high byte is kept.
  public struct Depth: Sendable, Equatable {
    /// The greatest value.
    public let greatest: Int
    /// The bits that any value has set.
    public let used: Int
    /// Whether both bytes are the same everywhere: 8-bit values, stored twice.
    public let isDoubled: Bool

    public init(greatest: Int, used: Int, isDoubled: Bool) {
      (self.greatest, self.used, self.isDoubled) = (greatest, used, isDoubled)
    }

    /// What the values of both use.
    public func union(_ other: Depth) -> Depth {
      Depth(
        greatest: max(greatest, other.greatest), used: used | other.used, isDoubled: isDoubled && other.isDoubled)
    }

    /// What is lost where the high byte alone is kept, such as `12 of 16 bits are in use (0 to 4095), of which …`; nil
    /// where nothing is.
    public var loss: String? {
      guard !isDoubled, used & 0xFF != 0 else { return nil }
      let length = Int.bitWidth - greatest.leadingZeroBitCount
      let text =
        "\(length - used.trailingZeroBitCount) of 16 bits are in use (values to \(greatest)), of which the high byte, which "
        + "alone is read, keeps \(max(0, length - 8))"
      let dark = ": the brightest pixel becomes \(greatest >> 8) of 255\(length < 14 ? ", nearly black" : "")"
      return text + (length < 16 ? dark : "") + ". data.range: [0, \(greatest)] takes all of them"
    }
  }
}
