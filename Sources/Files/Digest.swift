/// A 64-bit digest of a file's contents: rotate, xor, multiply over 8-byte words.
///
/// It is there to notice damage, not forgery. Every step is a bijection of the state, so a single changed word always
/// changes the digest; the rotation keeps changes of two words' top bits from cancelling, as they would in plain FNV-1a
/// by words. Bytes are taken in memory order, of little-endian machines.
///
/// A wide one takes four words side by side, each in a state of its own that is added in the end, which is three times as fast.
package struct Digest {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325
  private let isWide: Bool

  package init(wide: Bool = false) { isWide = wide }

  /// One of the kind that has written `text`.
  package init(like text: String) { self.init(wide: text.hasPrefix("w")) }

  package var value: UInt64 { state }

  /// As 16 hexadecimal digits, after a `w` of a wide one.
  package var text: String {
    let digits = String(state, radix: 16)
    return (isWide ? "w" : "") + String(repeating: "0", count: 16 - digits.count) + digits
  }

  package mutating func add(_ word: UInt64) {
    state = Digest.step(state, word)
  }

  /// The bytes and their count; a last word of fewer than 8 bytes is filled up with zeros.
  package mutating func add(_ bytes: UnsafeRawBufferPointer) {
    add(UInt64(bytes.count))
    guard let start = bytes.baseAddress else { return }
    var state = state
    let whole = bytes.count & ~7
    var offset = 0
    if isWide, whole >= 32 {
      var (a, b, c, d) = (
        Digest.step(state, 0), Digest.step(state, 1), Digest.step(state, 2), Digest.step(state, 3)
      )
      while offset &+ 32 <= whole {
        a = Digest.step(a, start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        b = Digest.step(b, start.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self))
        c = Digest.step(c, start.loadUnaligned(fromByteOffset: offset &+ 16, as: UInt64.self))
        d = Digest.step(d, start.loadUnaligned(fromByteOffset: offset &+ 24, as: UInt64.self))
        offset &+= 32
      }
      for lane in [a, b, c, d] { state = Digest.step(state, lane) }
    }
    while offset < whole {
      state = Digest.step(state, start.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset &+= 8
    }
    if whole < bytes.count {
      var last: UInt64 = 0
      for index in whole..<bytes.count { last |= UInt64(bytes[index]) << UInt64((index - whole) * 8) }
      state = Digest.step(state, last)
    }
    self.state = state
  }

  package mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  @inline(__always)
  private static func step(_ state: UInt64, _ word: UInt64) -> UInt64 {
    ((state << 29 | state >> 35) ^ word) &* 0x9e37_79b9_7f4a_7c15
  }
}
