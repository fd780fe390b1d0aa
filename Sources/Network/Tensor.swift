import Compute

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
