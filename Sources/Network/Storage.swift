import Foundation
import Synchronization

/// Float storage from the process's arena, so that training maps no memory after its first step.
///
/// A page that has been touched once stays mapped: a fresh page costs more than the arithmetic on it.
public final class Buffer: @unchecked Sendable {
  public let count: Int
  public let data: UnsafeMutablePointer<Float>

  /// Uninitialised storage of `count` floats, 64-byte aligned.
  public init(count: Int) {
    self.count = count
    data = Arena.take(count * 4).bindMemory(to: Float.self, capacity: count)
  }

  deinit { Arena.give(data, count * 4) }
}

/// Calls `body` with uninitialised storage for `count` elements, 64-byte aligned; from any thread.
///
/// `withUnsafeTemporaryAllocation` is no replacement: where it uses the heap, beyond 1 KiB, Swift 6.3.1 with
/// -Ounchecked mistakes a register that the closure has used for a thrown error.
package func withScratch<Element: BitwiseCopyable, Result>(
  of: Element.Type, count: Int, _ body: (UnsafeMutablePointer<Element>) throws -> Result
) rethrows -> Result {
  let bytes = count * MemoryLayout<Element>.stride
  // Many threads ask for small pieces at once, and malloc is made for that.
  guard bytes > 1 << 18 else {
    let data = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    defer { data.deallocate() }
    return try body(data.bindMemory(to: Element.self, capacity: count))
  }
  let data = Arena.take(bytes)
  defer { Arena.give(data, bytes) }
  return try body(data.bindMemory(to: Element.self, capacity: count))
}

/// One range of address space for all buffers. A buffer gets the lowest free place that is large enough. Free
/// neighbours are joined, so that the memory of one layer's buffers serves another's of any size.
enum Arena {
  private struct State: ~Copyable {
    /// Free places by address. Neighbours are never both free.
    var free: [(start: UInt, bytes: Int)] = []
    var used = 0
    var peak = 0
  }

  private static let state = Mutex(State())

  private static func rounded(_ bytes: Int) -> Int { max(64, (bytes + 63) & ~63) }

  static func take(_ bytes: Int) -> UnsafeMutableRawPointer {
    let size = rounded(bytes)
    let address = state.withLock { state -> UInt in
      state.used += size
      state.peak = max(state.peak, state.used)
      if !state.free.contains(where: { $0.bytes >= size }) { reserve(size, &state) }
      let place = state.free.firstIndex { $0.bytes >= size }!
      let start = state.free[place].start
      if state.free[place].bytes == size {
        state.free.remove(at: place)
      } else {
        state.free[place] = (start + UInt(size), state.free[place].bytes - size)
      }
      return start
    }
    return UnsafeMutableRawPointer(bitPattern: address)!
  }

  static func give(_ data: UnsafeMutableRawPointer, _ bytes: Int) {
    let size = rounded(bytes), start = UInt(bitPattern: data)
    state.withLock { state in
      state.used -= size
      var low = 0, high = state.free.count
      while low < high {
        let middle = (low + high) / 2
        if state.free[middle].start < start { low = middle + 1 } else { high = middle }
      }
      let joinsNext = low < state.free.count && state.free[low].start == start + UInt(size)
      let joinsLast = low > 0 && state.free[low - 1].start + UInt(state.free[low - 1].bytes) == start
      switch (joinsLast, joinsNext) {
      case (true, true):
        state.free[low - 1].bytes += size + state.free[low].bytes
        state.free.remove(at: low)
      case (true, false): state.free[low - 1].bytes += size
      case (false, true): state.free[low] = (start, size + state.free[low].bytes)
      case (false, false): state.free.insert((start, size), at: low)
      }
    }
  }

  /// Address space costs nothing until it is touched: as much as the system grants at once, up to 4 TiB. Where it is limited
  /// (`ulimit -v`), malloc needs some too: pieces of 64 MiB.
  private static func reserve(_ least: Int, _ state: inout State) {
    var limit = rlimit()
    let isLimited = getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 && limit.rlim_cur < 1 << 46
    var bytes = max(isLimited ? 1 << 26 : 1 << 42, least)
    while true {
      let start = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)!
      if start != MAP_FAILED {
        madvise(start, bytes, MADV_HUGEPAGE)
        let address = UInt(bitPattern: start)
        let place = state.free.firstIndex { $0.start > address } ?? state.free.count
        state.free.insert((address, bytes), at: place)
        return
      }
      guard bytes > least else { fatalError("out of memory: the system does not grant \(least) bytes") }
      bytes = max(bytes / 2, least)
    }
  }

  static func trim() {
    state.withLock { state in
      let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
      for place in state.free {
        let first = (place.start + page - 1) / page * page, end = (place.start + UInt(place.bytes)) / page * page
        if end > first { madvise(UnsafeMutableRawPointer(bitPattern: first), Int(end - first), MADV_DONTNEED) }
      }
    }
  }

  static func resetPeak() { state.withLock { $0.peak = $0.used } }
  static var peak: Int { state.withLock { $0.peak } }
}

/// Gives unused memory of buffers back to the system, for a process that needs much less from here on.
package func trimStorage() { Arena.trim() }

/// The most bytes that buffers have taken at once since ``resetPeakStorage()``.
package var peakStorage: Int { Arena.peak }

/// Starts a new measurement of ``peakStorage``.
package func resetPeakStorage() { Arena.resetPeak() }
