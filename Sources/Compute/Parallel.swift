internal import CParallel

/// The processor that this program runs on.
public enum Processor {
  /// False on an x86 processor without AVX2, on which numeric code would end by SIGILL.
  public static var suffices: Bool { u2pl_processor_suffices() != 0 }

  /// What it calls itself, such as `AMD EPYC`; nil where it does not.
  public static var name: String? {
    var bytes = [CChar](repeating: 0, count: 49)
    u2pl_processor_name(&bytes)
    let text = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      .split(separator: " ").joined(separator: " ")
    return text.isEmpty ? nil : text
  }
}

/// The memory of this process that is no buffer of a network's.
public enum HeapMemory {
  /// Arrays of megabytes come and go with every step and checkpoint. malloc would map each anew and give it back, and
  /// touching a fresh page costs more than filling it. To be called once, at start.
  public static func keepWhatIsFreed() { u2pl_keep_freed_memory() }
}

/// The threads of this process: libgomp's, which oneDNN computes on too.
public enum ThreadPool {
  /// Threads used by ``parallelFor(_:_:)`` and by convolutions.
  public static var threads: Int {
    get { Int(u2pl_threads()) }
    set { u2pl_set_threads(Int32(newValue)) }
  }

  /// The cores this process may run on, a bit each, 1024 of them; nil where the system does not say.
  public static var affinity: [UInt8]? {
    var mask = [UInt8](repeating: 0, count: 128)
    return u2pl_affinity(&mask, Int32(mask.count)) == 0 ? mask : nil
  }

  /// Lets this thread, and those it starts later, run on these cores. Does nothing where the system refuses.
  public static func allow(_ cores: Set<Int>) {
    var mask = [UInt8](repeating: 0, count: 128)
    for core in cores where core < 8 * mask.count { mask[core / 8] |= 1 << UInt8(core % 8) }
    _ = u2pl_set_affinity(mask, Int32(mask.count))
  }
}

/// Calls `body` once for each index in `0..<count`, spread over the pool's threads in contiguous shares.
///
/// To be called from the training thread only. `body` must write to places no other index writes to, and must not
/// throw or call MPI.
public func parallelFor(_ count: Int, _ body: (Int) -> Void) {
  withoutActuallyEscaping(body) { escapable in
    var closure = escapable
    withUnsafeMutablePointer(to: &closure) { context in
      u2pl_parallel_for(
        count,
        { context, index in
          context!.assumingMemoryBound(to: ((Int) -> Void).self).pointee(index)
        }, context)
    }
  }
}

/// Calls `body` with contiguous sub-ranges of `0..<count` of `grain` elements each (the last may be shorter), in parallel.
///
/// The ranges depend on `count` and `grain` only, never on the number of threads.
public func parallelRanges(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
  let pieces = (count + grain - 1) / grain
  parallelFor(pieces) { piece in
    body(piece * grain..<min(count, (piece + 1) * grain))
  }
}
