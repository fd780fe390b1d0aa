import Foundation
import SwiftProtobuf

// The messages of TensorBoard's event files, as far as this program writes them. Numbers and types of the fields are those of the
// format's description, tensorboard/compat/proto/event.proto and summary.proto; a reader passes over fields that are not there.

/// `Event`: what is told at one step.
struct EventMessage: Sendable, Hashable {
  enum Content: Sendable, Hashable {
    /// The first event of a file.
    case fileVersion(String)
    case summary(SummaryMessage)
    case session(SessionMessage)
  }

  /// Seconds since 1970.
  var wallTime = 0.0
  var step: Int64 = 0
  var content: Content?
  var unknownFields = UnknownStorage()
}

/// `Summary`: values with their tags.
struct SummaryMessage: Sendable, Hashable {
  var values: [SummaryValueMessage] = []
  var unknownFields = UnknownStorage()
}

/// `Summary.Value`.
struct SummaryValueMessage: Sendable, Hashable {
  enum Content: Sendable, Hashable {
    case scalar(Float)
    case image(ImageMessage)
  }

  var tag = ""
  var content: Content?
  var unknownFields = UnknownStorage()
}

/// `Summary.Image`: a picture as the bytes of a PNG.
struct ImageMessage: Sendable, Hashable {
  var height: Int32 = 0
  var width: Int32 = 0
  /// 1 grey, 3 RGB, 4 RGBA.
  var colorSpace: Int32 = 0
  var bytes = Data()
  var unknownFields = UnknownStorage()
}

/// `SessionLog`: a run begins, or goes on, at the event's step; what an earlier file says of later steps does not count.
struct SessionMessage: Sendable, Hashable {
  /// 1 is START.
  var status: Int32 = 0
  var unknownFields = UnknownStorage()
}

extension EventMessage: Message {
  static let protoMessageName = "tensorboard.Event"

  mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
    while let field = try decoder.nextFieldNumber() {
      switch field {
      case 1: try decoder.decodeSingularDoubleField(value: &wallTime)
      case 2: try decoder.decodeSingularInt64Field(value: &step)
      case 3:
        var value: String?
        try decoder.decodeSingularStringField(value: &value)
        content = value.map(Content.fileVersion)
      case 5:
        var value: SummaryMessage?
        try decoder.decodeSingularMessageField(value: &value)
        content = value.map(Content.summary)
      case 7:
        var value: SessionMessage?
        try decoder.decodeSingularMessageField(value: &value)
        content = value.map(Content.session)
      default: break
      }
    }
  }

  func traverse<V: Visitor>(visitor: inout V) throws {
    if wallTime != 0 { try visitor.visitSingularDoubleField(value: wallTime, fieldNumber: 1) }
    if step != 0 { try visitor.visitSingularInt64Field(value: step, fieldNumber: 2) }
    switch content {
    case .fileVersion(let value): try visitor.visitSingularStringField(value: value, fieldNumber: 3)
    case .summary(let value): try visitor.visitSingularMessageField(value: value, fieldNumber: 5)
    case .session(let value): try visitor.visitSingularMessageField(value: value, fieldNumber: 7)
    case nil: break
    }
    try unknownFields.traverse(visitor: &visitor)
  }

  func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension SummaryMessage: Message {
  static let protoMessageName = "tensorboard.Summary"

  mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
    while let field = try decoder.nextFieldNumber() {
      if field == 1 { try decoder.decodeRepeatedMessageField(value: &values) }
    }
  }

  func traverse<V: Visitor>(visitor: inout V) throws {
    if !values.isEmpty { try visitor.visitRepeatedMessageField(value: values, fieldNumber: 1) }
    try unknownFields.traverse(visitor: &visitor)
  }

  func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension SummaryValueMessage: Message {
  static let protoMessageName = "tensorboard.Summary.Value"

  mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
    while let field = try decoder.nextFieldNumber() {
      switch field {
      case 1: try decoder.decodeSingularStringField(value: &tag)
      case 2:
        var value: Float?
        try decoder.decodeSingularFloatField(value: &value)
        content = value.map(Content.scalar)
      case 4:
        var value: ImageMessage?
        try decoder.decodeSingularMessageField(value: &value)
        content = value.map(Content.image)
      default: break
      }
    }
  }

  func traverse<V: Visitor>(visitor: inout V) throws {
    if !tag.isEmpty { try visitor.visitSingularStringField(value: tag, fieldNumber: 1) }
    switch content {
    case .scalar(let value): try visitor.visitSingularFloatField(value: value, fieldNumber: 2)
    case .image(let value): try visitor.visitSingularMessageField(value: value, fieldNumber: 4)
    case nil: break
    }
    try unknownFields.traverse(visitor: &visitor)
  }

  func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension ImageMessage: Message {
  static let protoMessageName = "tensorboard.Summary.Image"

  mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
    while let field = try decoder.nextFieldNumber() {
      switch field {
      case 1: try decoder.decodeSingularInt32Field(value: &height)
      case 2: try decoder.decodeSingularInt32Field(value: &width)
      case 3: try decoder.decodeSingularInt32Field(value: &colorSpace)
      case 4: try decoder.decodeSingularBytesField(value: &bytes)
      default: break
      }
    }
  }

  func traverse<V: Visitor>(visitor: inout V) throws {
    if height != 0 { try visitor.visitSingularInt32Field(value: height, fieldNumber: 1) }
    if width != 0 { try visitor.visitSingularInt32Field(value: width, fieldNumber: 2) }
    if colorSpace != 0 { try visitor.visitSingularInt32Field(value: colorSpace, fieldNumber: 3) }
    if !bytes.isEmpty { try visitor.visitSingularBytesField(value: bytes, fieldNumber: 4) }
    try unknownFields.traverse(visitor: &visitor)
  }

  func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension SessionMessage: Message {
  static let protoMessageName = "tensorboard.SessionLog"

  mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
    while let field = try decoder.nextFieldNumber() {
      if field == 1 { try decoder.decodeSingularInt32Field(value: &status) }
    }
  }

  func traverse<V: Visitor>(visitor: inout V) throws {
    if status != 0 { try visitor.visitSingularInt32Field(value: status, fieldNumber: 1) }
    try unknownFields.traverse(visitor: &visitor)
  }

  func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}
