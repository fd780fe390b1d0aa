import Checkpoint
import Foundation
import Network
import TestSupport
import Weights
import XCTest

/// With the same weights, the encoder's maps are those of torchvision's and timm's ResNets.
final class EncoderTests: WeightsTestCase {
  private struct Case: Decodable {
    struct Map: Decodable {
      let shape: [Int]
      let norm, largest: Double
      let values: [Double]
    }
    let `case`: String
    let depth: Int
    let deep: Bool
    let output_stride: Int
    let multi_grid: Bool
    let layer1, layer4: Map

    var encoder: EncoderShape {
      EncoderShape(
        depth: .init(rawValue: depth)!, stem: deep ? .deep : .classic, outputStride: output_stride,
        multiGrid: multi_grid)
    }
  }

  private let size = 65

  private func cases() throws -> [Case] { try loadExpected([Case].self, "encoders.json", in: .module) }

  /// layer1's and layer4's maps, in N × C × H × W order, of the encoder that starts from a file.
  private func maps(_ encoder: EncoderShape, weights path: String, image: [Float]) throws -> (
    low: [Float], high: [Float]
  ) {
    let shape = shape(encoder)
    let start = Segmenter(shape, trainable: false)
    let notes = try start.parameters.start(from: try NamedWeights(path), shape, strict: true)
    XCTAssertEqual(notes.count, 2, "\(notes)")
    XCTAssertTrue(notes[0].hasSuffix("2 skipped, the classifier it was trained with: fc.bias, fc.weight"), notes[0])
    XCTAssertTrue(notes[1].hasSuffix("has no decoder, which starts from run.seed"), notes[1])

    let parameters = Parameters(trainable: false)
    let network = ResNet(parameters, encoder)
    parameters.allocate()
    let entries = Dictionary(uniqueKeysWithValues: start.parameters.entries.map { ($0.name, $0) })
    for entry in parameters.entries where entry.kind != .counter {
      _ = parameters.storage(entry).update(fromContentsOf: start.parameters.storage(entries[entry.name]!))
    }
    parameters.markChanged()
    let (low, _, high) = try network.forward(tensor(nchw: image, [1, 3, size, size]), .evaluation(samples: 1))
    return (nchw(low), nchw(high))
  }

  /// The numbers in `encoders.json`, which `encoders.py` beside it has made.
  func testMapsEqualStoredOnes() throws {
    for c in try cases() {
      let file = path("\(c.depth)\(c.deep).safetensors")
      if !FileManager.default.fileExists(atPath: file) {
        try Safetensors(tensors(shape(c.encoder), naming: resnetName) + classifier(inputs: c.depth == 18 ? 512 : 2048))
          .write(to: file)
      }
      let image = uniform("image", 3 * size * size).map { $0 * 2 }
      let (low, high) = try maps(c.encoder, weights: file, image: image)
      for (name, map, expected) in [("layer1", low, c.layer1), ("layer4", high, c.layer4)] {
        XCTAssertEqual(map.count, expected.shape.reduce(1, *))
        let tolerance = 1e-4 * expected.largest
        for (i, value) in expected.values.enumerated() {
          XCTAssertEqual(
            Double(map[i * (map.count - 1) / 15]), value, accuracy: tolerance, "\(c.case) \(name) probe \(i)")
        }
        let norm = map.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        XCTAssertEqual(norm, expected.norm, accuracy: 1e-4 * expected.norm, "\(c.case) \(name)")
        XCTAssertEqual(Double(map.map(abs).max()!), expected.largest, accuracy: tolerance, "\(c.case) \(name)")
      }
    }
  }

  /// The program's file instead of the safetensors one gives the same.
  func testMapsOfAnImportedFile() throws {
    let c = try cases()[0]
    try Safetensors(tensors(shape(c.encoder), naming: resnetName) + classifier(inputs: 512))
      .write(to: path("a.safetensors"))
    let imported = try WeightsImport([try NamedWeights(path("a.safetensors"))], for: nil, lenient: false)
    try CheckpointFile.write(imported.contents, to: path("a.h5"))
    let (direct, again) = try (NamedWeights(path("a.safetensors")), NamedWeights(path("a.h5")))
    for (name, tensor) in direct.tensors where !name.hasSuffix("num_batches_tracked") {
      XCTAssertEqual(again.tensors[name], tensor, name)
    }
    XCTAssertEqual(again.tensors.count, direct.tensors.count)
    XCTAssertEqual(imported.contents.datasets["student/encoder.bn1.num_batches_tracked"]?.values, .int64([7]))
  }

  func testMapsEqualTorchvisions() throws { try compare(library: "torchvision") }
  func testMapsEqualTimms() throws { try compare(library: "timm") }

  /// Whole maps, of weights drawn and written by PyTorch.
  private func compare(library: String) throws {
    let peer = try PythonPeer(modules: "torch, safetensors, numpy, \(library)")
    let script = try XCTUnwrap(Bundle.module.url(forResource: "Expected/encoders.py", withExtension: nil))
    let result = try peer.run([script.path, "live", library, directory])
    XCTAssertEqual(result.status, 0, result.output)
    var compared = 0
    for c in try cases() where FileManager.default.fileExists(atPath: path("\(c.case).safetensors")) {
      let file = try SafetensorsFile(path("\(c.case).maps.safetensors"))
      var expected: [String: [Float]] = [:]
      for tensor in file.tensors {
        guard case .float32(let values) = try file.read(tensor).values else { return XCTFail(tensor.name) }
        expected[tensor.name] = values
      }
      let image = try XCTUnwrap(expected["image"])
      let (low, high) = try maps(c.encoder, weights: path("\(c.case).safetensors"), image: image)
      for (name, map) in [("layer1", low), ("layer4", high)] {
        let theirs = try XCTUnwrap(expected[name])
        XCTAssertEqual(map.count, theirs.count)
        let largest = theirs.map(abs).max()!
        let difference = zip(map, theirs).map { abs($0 - $1) }.max()!
        XCTAssertLessThan(difference / largest, 1e-4, "\(c.case) \(name)")
        XCTAssertGreaterThan(largest, 0.1, "\(c.case) \(name)")
      }
      compared += 1
    }
    XCTAssertGreaterThanOrEqual(compared, 3)
  }
}
