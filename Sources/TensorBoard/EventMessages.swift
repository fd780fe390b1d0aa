import Foundation
import SwiftProtobuf

// The messages of TensorBoard's event files, as far as this program writes them. Numbers and types of the fields are
// those of the format's description, tensorboard/compat/proto/event.proto and summary.proto; a reader passes over
// fields that are not there.

/// `Event`: the values of one step, or the head of a file.
package struct EventMessage: Sendable, Hashable {
  package enum Content: Sendable, Hashable {
    /// The first event of a file.
    case fileVersion(String)
    case summary(SummaryMessage)
    case session(SessionMessage)
  }

  /// Seconds since 1970.
  package var wallTime = 0.0
  package var step: Int64 = 0
  package var content: Content?
  package var unknownFields = UnknownStorage()

  package init() {}
}

/// `Summary`: values with their tags.
package struct SummaryMessage: Sendable, Hashable {
  package var values: [SummaryValueMessage] = []
  package var unknownFields = UnknownStorage()

  package init() {}
}

/// `Summary.Value`.
package struct SummaryValueMessage: Sendable, Hashable {
  package enum Content: Sendable, Hashable {
    case scalar(Float)
    case image(ImageMessage)
  }

  package var tag = ""
  package var content: Content?
  package var unknownFields = UnknownStorage()

  package init() {}
}

/// `Summary.Image`: a picture as the bytes of a PNG.
package struct ImageMessage: Sendable, Hashable {
  package var height: Int32 = 0
  package var width: Int32 = 0
  /// 1 grey, 3 RGB, 4 RGBA.
  package var colorSpace: Int32 = 0
  package var bytes = Data()
  package var unknownFields = UnknownStorage()

  package init() {}
}

/// `SessionLog`: a run begins or resumes at the event's step; a reader drops later steps of earlier files.
package struct SessionMessage: Sendable, Hashable {
  /// 1 is START.
  package var status: Int32 = 0
  package var unknownFields = UnknownStorage()

  package init() {}
}

extension EventMessage: Message {
  package static let protoMessageName = "tensorboard.Event"

  package mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
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

  package func traverse<V: Visitor>(visitor: inout V) throws {
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

  package func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension SummaryMessage: Message {
  package static let protoMessageName = "tensorboard.Summary"

  package mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
    while let field = try decoder.nextFieldNumber() {
      if field == 1 { try decoder.decodeRepeatedMessageField(value: &values) }
    }
  }

  package func traverse<V: Visitor>(visitor: inout V) throws {
    if !values.isEmpty { try visitor.visitRepeatedMessageField(value: values, fieldNumber: 1) }
    try unknownFields.traverse(visitor: &visitor)
  }

  package func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension SummaryValueMessage: Message {
  package static let protoMessageName = "tensorboard.Summary.Value"

  package mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
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

  package func traverse<V: Visitor>(visitor: inout V) throws {
    if !tag.isEmpty { try visitor.visitSingularStringField(value: tag, fieldNumber: 1) }
    switch content {
    case .scalar(let value): try visitor.visitSingularFloatField(value: value, fieldNumber: 2)
    case .image(let value): try visitor.visitSingularMessageField(value: value, fieldNumber: 4)
    case nil: break
    }
    try unknownFields.traverse(visitor: &visitor)
  }

  package func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension ImageMessage: Message {
  package static let protoMessageName = "tensorboard.Summary.Image"

  package mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
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

  package func traverse<V: Visitor>(visitor: inout V) throws {
    if height != 0 { try visitor.visitSingularInt32Field(value: height, fieldNumber: 1) }
    if width != 0 { try visitor.visitSingularInt32Field(value: width, fieldNumber: 2) }
    if colorSpace != 0 { try visitor.visitSingularInt32Field(value: colorSpace, fieldNumber: 3) }
    if !bytes.isEmpty { try visitor.visitSingularBytesField(value: bytes, fieldNumber: 4) }
    try unknownFields.traverse(visitor: &visitor)
  }

  package func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}

extension SessionMessage: Message {
  package static let protoMessageName = "tensorboard.SessionLog"

  package mutating func decodeMessage<D: Decoder>(decoder: inout D) throws {
    while let field = try decoder.nextFieldNumber() {
      if field == 1 { try decoder.decodeSingularInt32Field(value: &status) }
    }
  }

  package func traverse<V: Visitor>(visitor: inout V) throws {
    if status != 0 { try visitor.visitSingularInt32Field(value: status, fieldNumber: 1) }
    try unknownFields.traverse(visitor: &visitor)
  }

  package func isEqualTo(message: any Message) -> Bool { message as? Self == self }
}
