import Compute
import Foundation
import Synchronization

/// Float storage that returns to a pool when released, so that a training step allocates nothing after the first.
///
/// A page that has been touched once stays mapped: fresh pages cost more than the arithmetic done on them.
public final class Buffer: @unchecked Sendable {
  public let count: Int
  public let data: UnsafeMutablePointer<Float>

  /// Uninitialised storage of `count` floats, 64-byte aligned.
  public init(count: Int) {
    self.count = count
    data = BufferPool.take(count)
  }

  deinit { BufferPool.give(data, count) }
}

/// Calls `body` with uninitialised pooled storage for `count` elements, 64-byte aligned; from any thread.
///
/// Not `withUnsafeTemporaryAllocation`: where that resorts to the heap, beyond 1 KiB, Swift 6.3.1 with -Ounchecked takes a
/// register that the closure has used for an error that was thrown.
package func withScratch<Element: BitwiseCopyable, Result>(
  of: Element.Type, count: Int, _ body: (UnsafeMutablePointer<Element>) throws -> Result
) rethrows -> Result {
  let floats = (count * MemoryLayout<Element>.stride + 3) / 4
  let data = BufferPool.take(floats)
  defer { BufferPool.give(data, floats) }
  return try body(UnsafeMutableRawPointer(data).bindMemory(to: Element.self, capacity: count))
}

/// Free storage by size. Tensors come and go on the training thread; the lock is for scratch of its helpers.
enum BufferPool {
  private struct Block: @unchecked Sendable {
    let data: UnsafeMutablePointer<Float>
    /// The generation in which it was last in use.
    let generation: Int
  }

  private struct Free {
    /// By size; a list's last block is the one given back last, and taken first.
    var blocks: [Int: [Block]] = [:]
    var generation = 0
  }

  private static let free = Mutex(Free())

  /// Sizes are rounded up by at most an eighth, so that maps of nearly equal size share storage.
  private static func rounded(_ count: Int) -> Int {
    let least = max(count, 64)
    let step = max(16, (1 << (Int.bitWidth - 1 - least.leadingZeroBitCount)) >> 3)
    return (least + step - 1) / step * step
  }

  static func take(_ count: Int) -> UnsafeMutablePointer<Float> {
    let size = rounded(count)
    if let block = free.withLock({ $0.blocks[size]?.popLast() }) { return block.data }
    return UnsafeMutableRawPointer.allocate(byteCount: size * 4, alignment: 64).bindMemory(
      to: Float.self, capacity: size)
  }

  static func give(_ data: UnsafeMutablePointer<Float>, _ count: Int) {
    free.withLock {
      $0.blocks[rounded(count), default: []].append(Block(data: data, generation: $0.generation))
    }
  }

  static func trim() {
    let old = free.withLock { free in
      var old: [Block] = []
      for (size, blocks) in free.blocks {
        let kept = blocks.filter { $0.generation == free.generation }
        if kept.count < blocks.count { old += blocks.filter { $0.generation != free.generation } }
        free.blocks[size] = kept.isEmpty ? nil : kept
      }
      free.generation += 1
      return old
    }
    for block in old { UnsafeMutableRawPointer(block.data).deallocate() }
  }

  /// Bytes that wait to be used again.
  static var freeBytes: Int { free.withLock { $0.blocks.reduce(0) { $0 + $1.key * 4 * $1.value.count } } }
}

/// Gives back to the system what has not been in use since the last call.
///
/// To be called between images of many sizes, whose maps would otherwise pile up; images of one size keep their storage.
public func trimPooledStorage() { BufferPool.trim() }

/// Bytes of pooled storage that nothing uses at the moment.
package var pooledBytes: Int { BufferPool.freeBytes }

/// A map of float32 features, N × height × width × channels, dense in that order.
public final class Tensor: @unchecked Sendable {
  /// Samples.
  public let count: Int
  public let height: Int
  public let width: Int
  public let channels: Int
  private let buffer: Buffer

  /// Uninitialised.
  public init(count: Int, height: Int, width: Int, channels: Int) {
    self.count = count
    self.height = height
    self.width = width
    self.channels = channels
    buffer = Buffer(count: count * height * width * channels)
  }

  /// Uninitialised, of the shape of another.
  public convenience init(like other: Tensor) {
    self.init(count: other.count, height: other.height, width: other.width, channels: other.channels)
  }

  public var data: UnsafeMutablePointer<Float> { buffer.data }
  /// Pixels of one sample.
  public var pixels: Int { height * width }
  /// Elements of one sample.
  public var sampleStride: Int { height * width * channels }
  /// Elements of all samples.
  public var elements: Int { count * sampleStride }

  /// The first element of a sample.
  public func sample(_ index: Int) -> UnsafeMutablePointer<Float> { data + index * sampleStride }

  /// Sets every element.
  public func fill(_ value: Float) {
    let data = self.data
    parallelRanges(elements, grain: 1 << 16) { range in
      (data + range.lowerBound).update(repeating: value, count: range.count)
    }
  }

  /// Adds another tensor of the same shape, element by element.
  public func add(_ other: Tensor) {
    precondition(elements == other.elements)
    let into = data, from = UnsafePointer(other.data)
    parallelRanges(elements, grain: 1 << 15) { range in
      for i in range { into[i] += from[i] }
    }
  }
}
