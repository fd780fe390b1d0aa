import Foundation
import Network
import TestSupport
import XCTest

/// A test with a directory of its own, in which weights files are made.
class WeightsTestCase: DirectoryTestCase {
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
