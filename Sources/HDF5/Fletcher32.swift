/// The checksum of HDF5's filter of this name, several times faster than the library's own.
///
/// Over the bytes as 16-bit big-endian words w₀ … wₙ₋₁ it is Σ wᵢ and Σ (n − i) wᵢ, each modulo 65535 (J. G. Fletcher, *An
/// Arithmetic Checksum for Serial Transmissions*, 1982), where 0 stands for words that are all 0 and 65535 for any other multiple.
package enum Fletcher32 {
  private static let modulus: UInt64 = 65535
  /// Words of a row, which are summed side by side, and rows until a sum could overflow: 65535 · 340 · 341 / 2 < 2³².
  private static let rowWords = 32
  private static let mostRows = 340

  package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    guard let start = bytes.baseAddress else { return 0 }
    var sum: UInt64 = 0
    var weighted: UInt64 = 0
    var offset = 0
    while bytes.count - offset >= 2 * rowWords {
      let rows = min(mostRows, (bytes.count - offset) / (2 * rowWords))
      let (rowSum, rowWeighted) = sums(start + offset, rows: rows)
      weighted = reduced(weighted &+ UInt64(rows * rowWords) &* sum &+ rowWeighted)
      sum = reduced(sum &+ rowSum)
      offset += 2 * rowWords * rows
    }
    while offset < bytes.count {
      // An odd byte at the end is the high one of a last word.
      let low = offset + 1 < bytes.count ? UInt64(bytes[offset + 1]) : 0
      sum &+= UInt64(bytes[offset]) << 8 | low
      weighted &+= sum
      offset += 2
    }
    return UInt32(reduced(weighted)) << 16 | UInt32(reduced(sum))
  }

  private static func reduced(_ value: UInt64) -> UInt64 { value == 0 ? 0 : (value - 1) % modulus + 1 }

  /// Σ wᵢ and Σ (n − i) wᵢ of whole rows. Sixteen pairs of words at a time: `once` sums the words of a place in the row, `often`
  /// sums these sums, in which a row counts once for itself and each that follows.
  private static func sums(_ start: UnsafeRawPointer, rows: Int) -> (UInt64, UInt64) {
    typealias Words = SIMD16<UInt32>
    let lowBytes = Words(repeating: 0x00FF_00FF), lowWord = Words(repeating: 0xFFFF)
    let eight = Words(repeating: 8), sixteen = Words(repeating: 16)
    var firstOnce = Words.zero, firstOften = Words.zero, secondOnce = Words.zero, secondOften = Words.zero
    for row in 0..<rows {
      let loaded = start.loadUnaligned(fromByteOffset: 64 &* row, as: Words.self)
      let swapped = (loaded & lowBytes) &<< eight | (loaded &>> eight) & lowBytes
      firstOnce &+= swapped & lowWord
      firstOften &+= firstOnce
      secondOnce &+= swapped &>> sixteen
      secondOften &+= secondOnce
    }
    var sum: UInt64 = 0
    var weighted: UInt64 = 0
    for lane in 0..<16 {
      for (once, often, place) in [(firstOnce, firstOften, 2 * lane), (secondOnce, secondOften, 2 * lane + 1)] {
        sum += UInt64(once[lane])
        weighted += UInt64(rowWords) * UInt64(often[lane]) - UInt64(place) * UInt64(once[lane])
      }
    }
    return (sum, weighted)
  }
}
