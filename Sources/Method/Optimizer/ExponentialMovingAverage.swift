import Network

/// Line 10 of docs/method.md: the teacher follows the student by an exponential moving average,
/// θ_t ← a·θ_t + (1 − a)·θ_s.
package enum ExponentialMovingAverage {
  /// a = min(1 − 1/(j + 1), limit) in step j of the average, counted from 0.
  package static func factor(step j: Int, limit: Double) -> Double { min(1 - 1 / Double(j + 1), limit) }

  /// The limit for a run of K steps where none is set: the average reaches over a third of the run. A teacher that
  /// follows more closely learns its own mistakes from the student.
  package static func limit(totalSteps: Int) -> Double { max(0.9, 1 - 3 / Double(max(totalSteps, 1))) }

  /// The running statistics, where they follow too.
  package static func updateBuffers(_ teacher: Parameters, from student: Parameters, factor a: Double) {
    follow(teacher.buffers.baseAddress!, UnsafePointer(student.buffers.baseAddress!), a, teacher.buffers.indices)
  }

  @inline(__always)
  static func follow(
    _ teacher: UnsafeMutablePointer<Float>, _ student: UnsafePointer<Float>, _ a: Double, _ range: Range<Int>
  ) {
    let (keep, take) = (Float(a), Float(1 - a))
    for i in range { teacher[i] = keep * teacher[i] + take * student[i] }
  }
}
