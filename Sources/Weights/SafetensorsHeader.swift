import Checkpoint
import Foundation
import Network

/// Element types that the safetensors format has, as far as they fill whole bytes.
public enum SafetensorsType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case u8 = "U8"
  case i8 = "I8"
  case f8e4m3 = "F8_E4M3"
  case f8e5m2 = "F8_E5M2"
  case f8e8m0 = "F8_E8M0"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case i64 = "I64"
  case u64 = "U64"
  case f64 = "F64"
  case c64 = "C64"

  /// Bytes of an element.
  var size: Int {
    switch self {
    case .bool, .u8, .i8, .f8e4m3, .f8e5m2, .f8e8m0: 1
    case .i16, .u16, .f16, .bf16: 2
    case .i32, .u32, .f32: 4
    case .i64, .u64, .f64, .c64: 8
    }
  }
}

/// One tensor of a safetensors file, as the header describes it; already checked.
public struct SafetensorsTensor: Sendable, Equatable {
  public let name: String
  public let type: SafetensorsType
  /// `[]` for a scalar.
  public let shape: [Int]
  /// Bytes of the file's data, counted from the end of the header.
  let range: Range<Int>
}

/// The JSON at the beginning of a safetensors file. Every part is checked against the rest and the file's size before
/// it is used.
struct SafetensorsHeader: Sendable {
  /// In the order of their bytes.
  let tensors: [SafetensorsTensor]
  let metadata: [String: String]

  /// The header of a ResNet-101 is 60 kB long. A longer one than this is damaged, or made to take time and memory.
  static let longest = 4 << 20

  /// Reads the header's text and compares it with the number of bytes that follow it.
  ///
  /// Tensors have to cover those bytes from the first to the last, without overlap or hole, each as many as its shape
  /// and type need.
  init(_ text: [UInt8], dataBytes: Int, file: String) throws {
    func error(_ what: String, _ name: String? = nil) -> CheckpointError {
      SafetensorsFile.error(file, name.map { "tensor '\(clipped($0))'" } ?? "header", clipped(what, to: 300))
    }
    // Other encodings of JSON have zero bytes, and Foundation would take them.
    guard text.first == UInt8(ascii: "{"), !text.contains(0), String(validating: text, as: UTF8.self) != nil else {
      throw error("is no JSON object in UTF-8")
    }
    let document: Document
    do { document = try JSONDecoder().decode(Document.self, from: Data(text)) } catch let failure as DecodingError {
      throw error(Document.reason(failure))
    }
    // Foundation keeps one of two equal names, and passes over unknown names. The number of colons shows both.
    let names = document.tensors.count * 4 + (document.metadata.map { $0.count + 1 } ?? 0)
    guard Self.colons(text) == names else {
      throw error("has a name twice, or a tensor has more than dtype, shape and data_offsets")
    }

    let dataEnd = document.tensors.values.compactMap { $0.data_offsets.last }.max() ?? 0
    guard dataEnd <= dataBytes else {
      throw SafetensorsFile.error(
        file, "", "is cut short: its header describes \(dataEnd) bytes of data, of which \(dataBytes) are there")
    }
    var tensors: [SafetensorsTensor] = []
    for (name, entry) in document.tensors {
      guard let type = SafetensorsType(rawValue: entry.dtype) else {
        throw error(
          "has dtype '\(clipped(entry.dtype))'; known are "
            + SafetensorsType.allCases.map(\.rawValue).joined(separator: ", "), name)
      }
      guard entry.data_offsets.count == 2, let begin = entry.data_offsets.first, let end = entry.data_offsets.last,
        begin >= 0, begin <= end
      else { throw error("has the data_offsets \(entry.data_offsets), which are no begin and end", name) }
      guard entry.shape.count <= 32, entry.shape.allSatisfy({ $0 >= 0 }),
        let needed = CheckpointFile.product(entry.shape + [type.size]), needed == end - begin
      else {
        throw error("has \(end - begin) bytes, which do not fill the shape \(entry.shape) of \(type.rawValue)", name)
      }
      tensors.append(SafetensorsTensor(name: name, type: type, shape: entry.shape, range: begin..<end))
    }
    tensors.sort {
      ($0.range.lowerBound, $0.range.upperBound, $0.name) < ($1.range.lowerBound, $1.range.upperBound, $1.name)
    }
    var covered = 0
    for tensor in tensors {
      guard tensor.range.lowerBound >= covered else { throw error("overlaps another's bytes", tensor.name) }
      guard tensor.range.lowerBound == covered else {
        throw error("begins at byte \(tensor.range.lowerBound), the one before it ends at \(covered)", tensor.name)
      }
      covered = tensor.range.upperBound
    }
    guard covered == dataBytes else {
      throw error("describes \(covered) bytes of data, the file has \(dataBytes)")
    }
    self.tensors = tensors
    metadata = document.metadata ?? [:]
  }

  /// The header's text for tensors that lie one after the other, in this order.
  static func text(_ tensors: [(name: String, type: SafetensorsType, shape: [Int])], metadata: [String: String]) throws
    -> [UInt8]
  {
    var document = Document()
    document.metadata = metadata
    var begin = 0
    for tensor in tensors {
      let end = begin + tensor.shape.reduce(tensor.type.size, *)
      document.tensors[tensor.name] = Document.Entry(
        dtype: tensor.type.rawValue, shape: tensor.shape, data_offsets: [begin, end])
      begin = end
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let text = [UInt8](try encoder.encode(document))
    // The data begins at a multiple of 8, so that a reader may map it.
    return text + [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
  }

  /// Colons outside strings: members of all objects together.
  private static func colons(_ text: [UInt8]) -> Int {
    var count = 0
    var inString = false, escaped = false
    for byte in text {
      if inString {
        if escaped {
          escaped = false
        } else if byte == UInt8(ascii: "\\") {
          escaped = true
        } else if byte == UInt8(ascii: "\"") {
          inString = false
        }
      } else if byte == UInt8(ascii: "\"") {
        inString = true
      } else if byte == UInt8(ascii: ":") {
        count += 1
      }
    }
    return count
  }
}

/// The header as JSON.
private struct Document: Codable {
  struct Entry: Codable {
    var dtype: String
    var shape: [Int]
    var data_offsets: [Int]
  }

  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private static let metadataKey = Key(stringValue: "__metadata__")

  var tensors: [String: Entry] = [:]
  var metadata: [String: String]?

  init() {}

  init(from decoder: any Swift.Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for key in container.allKeys {
      if key.stringValue == Self.metadataKey.stringValue {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        tensors[key.stringValue] = try container.decode(Entry.self, forKey: key)
      }
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    if let metadata { try container.encode(metadata, forKey: Self.metadataKey) }
    for (name, entry) in tensors { try container.encode(entry, forKey: Key(stringValue: name)) }
  }

  /// A decoder's failure in words.
  static func reason(_ failure: DecodingError) -> String {
    func at(_ path: [any CodingKey]) -> String {
      path.isEmpty ? "" : "'\(clipped(path.map(\.stringValue).joined(separator: "', '")))': "
    }
    switch failure {
    case .keyNotFound(let key, let context): return "\(at(context.codingPath))\(clipped(key.stringValue)) is missing"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      let wanted = type == Int.self ? "whole number" : type == String.self ? "string" : "list or object as expected"
      return "\(at(context.codingPath))is no \(wanted)"
    // Foundation does not tell where a number stands that is no Int.
    case .dataCorrupted: return "is no JSON, or has a number that is not whole or too large"
    @unknown default: return "is no JSON"
    }
  }
}

/// A text from a damaged file, short enough for a message.
private func clipped(_ text: String, to length: Int = 100) -> String {
  text.count <= length ? text : "\(text.prefix(length - 1))…"
}
