import Compute
import Foundation

/// Normal numbers of variance 2 / fan-out (He et al. 2015), fan-out = outputs · kernel², from Philox by the parameter's
/// name and the element's number, so that no weight depends on which other layers the network has.
func kaimingNormal(_ storage: UnsafeMutableBufferPointer<Float>, _ entry: ParameterEntry, _ philox: Philox) {
  let fanOut = entry.shape[0] * entry.shape[2] * entry.shape[3]
  let deviation = (2 / Double(fanOut)).squareRoot()
  let item = nameHash(entry.name)
  parallelRanges(storage.count, grain: 1 << 12) { range in
    for i in range where i % 2 == 0 {
      let words = philox.words(index: UInt32(i / 2), item: item, step: 0, stream: .initialization)
      // Box and Muller's transform; 1 − u is never 0.
      let radius = (-2 * log(1 - words[0].unitInterval)).squareRoot() * deviation
      let angle = 2 * Double.pi * words[1].unitInterval
      storage[i] = Float(radius * cos(angle))
      if i + 1 < storage.count { storage[i + 1] = Float(radius * sin(angle)) }
    }
  }
}

/// FNV-1a, 32 bits.
private func nameHash(_ name: String) -> UInt32 {
  name.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
}
