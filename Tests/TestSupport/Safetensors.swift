import Foundation
import Network

/// A safetensors file as a few lines write it, so that readers are not only tested with what they have written themselves.
public struct Safetensors {
  public struct Tensor {
    public var name: String
    public var type: String
    public var shape: [Int]
    public var bytes: [UInt8]

    public init(_ name: String, _ type: String, _ shape: [Int], _ bytes: [UInt8]) {
      (self.name, self.type, self.shape, self.bytes) = (name, type, shape, bytes)
    }

    /// F32.
    public init(_ name: String, _ shape: [Int], _ values: [Float]) {
      self.init(name, "F32", shape, values.withUnsafeBytes { [UInt8]($0) })
    }

    /// An I64 scalar.
    public init(_ name: String, counter: Int64) {
      self.init(name, "I64", [], withUnsafeBytes(of: counter) { [UInt8]($0) })
    }
  }

  public var tensors: [Tensor]
  /// JSON members after the tensors, such as `"__metadata__":{"format":"pt"}`.
  public var members: [String] = []

  public init(_ tensors: [Tensor]) { self.tensors = tensors }

  public var header: String {
    var begin = 0
    let entries = tensors.map { tensor in
      let end = begin + tensor.bytes.count
      defer { begin = end }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      return "\"\(tensor.name)\":{\"dtype\":\"\(tensor.type)\",\"shape\":[\(shape)],\"data_offsets\":[\(begin),\(end)]}"
    }
    return "{" + (entries + members).joined(separator: ",") + "}"
  }

  public var bytes: [UInt8] { Self.bytes(header: header, data: tensors.flatMap(\.bytes)) }

  public static func bytes(header: String, data: [UInt8]) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count)) { [UInt8]($0) } + Array(header.utf8) + data
  }

  public func write(to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
}
