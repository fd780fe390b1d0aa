import Checkpoint
import Compute
import Foundation
import Network
import TestSupport
import Trainer
import XCTest

/// A test with a directory of its own, in which weights files are made.
class WeightsTestCase: SeededTestCase {
  private(set) var directory = ""

  override func setUpWithError() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("u2pl-weights-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    directory = url.path
  }

  override func tearDownWithError() throws {
    try FileManager.default.removeItem(atPath: directory)
  }

  func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// The message of the ``CheckpointError`` that `body` throws.
  func message(file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> Void) -> String {
    do {
      try body()
      XCTFail("no error was thrown", file: file, line: line)
    } catch let error as CheckpointError {
      return error.description
    } catch {
      XCTFail("not a CheckpointError: \(error)", file: file, line: line)
    }
    return ""
  }

  /// Says each of `parts`.
  func assert(
    _ text: String, says parts: String..., file: StaticString = #filePath, line: UInt = #line
  ) {
    for part in parts where !text.contains(part) { XCTFail("“\(part)” is not in: \(text)", file: file, line: line) }
  }
}

/// A network whose decoder is small.
func shape(_ encoder: EncoderShape, classes: Int = 3) -> SegmenterShape {
  SegmenterShape(encoder: encoder, classes: classes, width: 8, features: 8, dilations: [1, 2, 3])
}

/// An encoder that is quickly written and read, of four times two blocks.
func smallEncoder(_ stem: EncoderShape.Stem = .classic) -> EncoderShape {
  EncoderShape(depth: .resnet18, stem: stem, width: 0.125)
}

/// The tensors of a network, with fixture values by their names in the file.
///
/// - Parameter naming: a published name's name in the file; nil leaves the tensor out.
func tensors(_ shape: SegmenterShape, naming: (String) -> String?) -> [Safetensors.Tensor] {
  shape.entries.compactMap { entry in
    guard let name = naming(entry.name) else { return nil }
    return entry.kind == .counter
      ? Safetensors.Tensor(name, counter: 7) : Safetensors.Tensor(name, entry.shape, namedValue(name, entry.shape))
  }
}

/// torchvision's and timm's name for a published one; nil for what is not the encoder's.
func resnetName(_ published: String) -> String? {
  published.hasPrefix("encoder.") ? String(published.dropFirst("encoder.".count)) : nil
}

/// The classifier that a ResNet was trained with.
func classifier(inputs: Int, classes: Int = 10) -> [Safetensors.Tensor] {
  [
    .init("fc.weight", [classes, inputs], namedValue("fc.weight", [classes, inputs])),
    .init("fc.bias", [classes], namedValue("fc.bias", [classes])),
  ]
}
