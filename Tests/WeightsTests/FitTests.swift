import Compute
import Checkpoint
import Network
import TestSupport
import Weights
import XCTest

/// Files that fit a model, wholly or in part, and what is said of those that do not.
final class FitTests: WeightsTestCase {
  /// Writes a file and starts a network of `model` from it, whose weights are drawn from seed 1 before.
  private func start(
    _ model: SegmenterShape, from tensors: [Safetensors.Tensor], strict: Bool = true
  ) throws -> (network: Segmenter, notes: [String]) {
    try Safetensors(tensors).write(to: path("w.safetensors"))
    let network = drawn(model)
    let notes = try network.parameters.start(from: try NamedWeights(path("w.safetensors")), model, strict: strict)
    return (network, notes)
  }

  private var baseline: Segmenter?

  /// A network of weights drawn from seed 1.
  private func drawn(_ model: SegmenterShape) -> Segmenter {
    let network = Segmenter(model, trainable: false)
    if baseline?.shape != model {
      baseline = Segmenter(model, trainable: false)
      baseline?.initialize(philox: Philox(seed: 1), zeroResidual: true)
    }
    if let baseline { network.parameters.copy(from: baseline.parameters) }
    return network
  }

  private func refusal(_ model: SegmenterShape, _ tensors: [Safetensors.Tensor]) -> String {
    let text = message { _ = try start(model, from: tensors) }
    assert(text, says: path("w.safetensors"), "model.strict: off starts from what fits")
    return text
  }

  /// Names whose values are now those of the file, and none are but from file or seed.
  private func loaded(_ network: Segmenter, named: (String) -> String = { $0 }) -> Set<String> {
    let before = drawn(network.shape)
    var found: Set<String> = []
    for (entry, old) in zip(network.parameters.entries, before.parameters.entries) where entry.kind != .counter {
      let values = Array(network.parameters.storage(entry))
      if values == namedValue(named(entry.name), entry.shape) {
        found.insert(entry.name)
      } else {
        XCTAssertEqual(values, Array(before.parameters.storage(old)), entry.name)
      }
    }
    return found
  }

  private func names(_ model: SegmenterShape, _ keep: (String) -> Bool = { _ in true }) -> Set<String> {
    Set(model.entries.filter { $0.kind != .counter && keep($0.name) }.map(\.name))
  }

  func testAWholeNetwork() throws {
    for stem in [EncoderShape.Stem.deep, .classic] {
      let model = shape(smallEncoder(stem))
      for prefix in ["", "module.", "model.module."] {
        let (network, notes) = try start(model, from: tensors(model) { prefix + $0 })
        XCTAssertEqual(notes, [])
        XCTAssertEqual(loaded(network) { prefix + $0 }, names(model))
        XCTAssertTrue(network.parameters.counters.allSatisfy { $0 == 7 })
      }
    }
  }

  func testAnEncoderAlone() throws {
    let model = shape(smallEncoder())
    let file = path("w.safetensors")
    for naming in [resnetName, { $0.hasPrefix("encoder.") ? "module." + $0 : nil }] {
      let (network, notes) = try start(model, from: tensors(model, naming: naming))
      XCTAssertEqual(notes, ["\(file): has no decoder, which starts from run.seed"])
      XCTAssertEqual(loaded(network) { naming($0) ?? $0 }, names(model) { $0.hasPrefix("encoder.") })
    }
  }

  /// Weights of photographs for grey images, and for images of more channels.
  func testOtherChannelsThanThree() throws {
    for stem in [EncoderShape.Stem.deep, .classic] {
      let photographs = shape(smallEncoder(stem))
      let first = stem == .deep ? "encoder.conv1.0.weight" : "encoder.conv1.weight"
      let stored = try XCTUnwrap(photographs.entries.first { $0.name == first }).shape
      let values = namedValue(first, stored), taps = stored[2] * stored[3]
      func weight(_ output: Int, _ channel: Int, _ tap: Int) -> Float { values[(output * 3 + channel) * taps + tap] }
      for channels in [1, 4] {
        var model = photographs
        model.encoder.inputs = channels
        let (network, notes) = try start(model, from: tensors(photographs) { $0 })
        XCTAssertEqual(notes, [])
        for entry in network.parameters.entries where entry.kind != .counter && entry.name != first {
          XCTAssertEqual(Array(network.parameters.storage(entry)), namedValue(entry.name, entry.shape), entry.name)
        }
        let entry = try XCTUnwrap(network.parameters.entries.first { $0.name == first })
        XCTAssertEqual(entry.shape, [stored[0], channels, stored[2], stored[3]])
        let found = Array(network.parameters.storage(entry))
        for output in 0..<stored[0] {
          for tap in 0..<taps {
            let own = (0..<channels).map { found[(output * channels + $0) * taps + tap] }
            let all = (0..<3).map { weight(output, $0, tap) }
            if channels == 1 {
              XCTAssertEqual(own[0], all[0] + all[1] + all[2])
            } else {
              for c in 0..<channels { XCTAssertEqual(own[c], all[c % 3] * 3 / Float(channels)) }
            }
          }
        }
        // Its own weights fit as they are.
        XCTAssertEqual(loaded(try start(model, from: tensors(model) { $0 }).network), names(model))
      }
      // And those of other channels do not fit a network for photographs.
      var grey = photographs
      grey.encoder.inputs = 1
      assert(refusal(photographs, tensors(grey) { $0 }), says: "set data.channels: 1")
    }
  }

  /// As the published code's supervised baseline is.
  func testANetworkWithoutTheRepresentationHead() throws {
    let model = shape(smallEncoder())
    let (network, notes) = try start(
      model, from: tensors(model) { $0.hasPrefix("decoder.representation.") ? nil : $0 })
    XCTAssertEqual(notes, ["\(path("w.safetensors")): has no decoder.representation, which starts from run.seed"])
    XCTAssertEqual(loaded(network), names(model) { !$0.hasPrefix("decoder.representation.") })
  }

  /// As the published Cityscapes models have.
  func testAnAuxiliaryHeadThatTheModelLacks() throws {
    let model = shape(smallEncoder())
    let (network, notes) = try start(
      model, from: tensors(model) { "module." + $0 } + [.init("module.auxor.aux.4.bias", [3], [1, 2, 3])])
    XCTAssertEqual(notes, ["\(path("w.safetensors")): 1 skipped, the model has no auxiliary head: auxor.aux.4.bias"])
    XCTAssertEqual(loaded(network) { "module." + $0 }, names(model))
  }

  func testCountersMayBeMissing() throws {
    let model = shape(smallEncoder())
    let (network, notes) = try start(
      model, from: tensors(model) { $0.hasSuffix("num_batches_tracked") ? nil : $0 })
    XCTAssertEqual(notes, [])
    XCTAssertEqual(loaded(network), names(model))
    XCTAssertTrue(network.parameters.counters.allSatisfy { $0 == 0 })
  }

  func testTheOtherStem() throws {
    let (deep, classic) = (shape(smallEncoder(.deep)), shape(smallEncoder(.classic)))
    assert(
      refusal(deep, tensors(classic, naming: resnetName)),
      says: "is a resnet18 with the classic stem (one 7×7 convolution)", "deep stem (three 3×3 convolutions)",
      "set model.stem: classic\n", "16 of the model's tensors are missing", "1 of the file's unknown")
    assert(refusal(classic, tensors(deep, naming: resnetName)), says: "with the deep stem", "set model.stem: deep\n")
    assert(refusal(classic, tensors(deep) { "module." + $0 }), says: "set model.stem: deep\n")
  }

  func testAnotherDepthOrWidth() throws {
    func encoder(_ depth: EncoderShape.Depth, _ width: Double) -> EncoderShape {
      EncoderShape(depth: depth, stem: .classic, width: width)
    }
    let model = shape(encoder(.resnet18, 0.125))
    for (depth, name) in [
      (EncoderShape.Depth.resnet34, "resnet34"), (.resnet50, "resnet50"), (.resnet101, "resnet101"),
    ] {
      let file = tensors(shape(encoder(depth, 0.125)), naming: resnetName)
      assert(refusal(model, file), says: "is a \(name) with the classic stem", "set model.encoder: \(name)\n")
    }
    for (width, text) in [(1.0, "1.0"), (0.3, "0.3"), (0.5, "0.5"), (1.1, "1.1")] {
      let file = tensors(shape(encoder(.resnet18, width)), naming: resnetName)
      assert(refusal(model, file), says: "of other widths: set model.encoder_width: \(text)\n")
      XCTAssertEqual(
        EncoderShape(recognizedIn: shapes(of: file))?.channels(100), encoder(.resnet18, width).channels(100))
    }
    let deep = EncoderShape(depth: .resnet50, stem: .deep, width: 0.25)
    assert(
      refusal(model, tensors(shape(deep), naming: resnetName)),
      says: "set model.encoder: resnet50 and model.stem: deep and model.encoder_width: 0.25\n")
  }

  private func shapes(of file: [Safetensors.Tensor]) -> [String: [Int]] {
    Dictionary(uniqueKeysWithValues: file.map { ("encoder." + $0.name, $0.shape) })
  }

  /// timm's resnet50d: a narrow deep stem, and skip connections that pool.
  func testResNetsThatAreBuiltOtherwise() throws {
    let model = shape(EncoderShape(depth: .resnet50, stem: .deep, width: 0.25))
    let narrow = tensors(model, naming: resnetName).map { tensor in
      let stem = ["conv1.0.weight": [8, 3, 3, 3], "conv1.3.weight": [8, 8, 3, 3], "conv1.6.weight": [32, 8, 3, 3]]
      guard let other = stem[tensor.name] else { return tensor }
      return Safetensors.Tensor(tensor.name, other, namedValue(tensor.name, other))
    }
    assert(
      refusal(model, narrow), says: "the three convolutions of its stem have 8, 8 and 32 channels",
      "the model's 16, 16 and 32", "resnet50s", "3 misshapen")
    // One tensor alone, whatever is wrong with it, makes no other kind of stem or block.
    for name in ["conv1.0.weight", "conv1.3.weight", "layer1.0.conv2.weight"] {
      let odd = tensors(model, naming: resnetName).map { tensor in
        tensor.name == name ? Safetensors.Tensor(name, [1] + tensor.shape, namedValue(name, tensor.shape)) : tensor
      }
      assert(refusal(model, odd), says: "w.safetensors: 1 misshapen: encoder.\(name) is [1, ")
    }
    let pooling = tensors(model) { published in
      guard let name = resnetName(published), let part = name.firstRange(of: ".downsample.") else {
        return resnetName(published)
      }
      let number = name[part.upperBound...].prefix(1) == "0" ? "1" : "2"
      return name.replacingCharacters(in: part.upperBound..<name.index(after: part.upperBound), with: number)
    }
    assert(
      refusal(model, pooling), says: "whose skip connections pool before their 1×1 convolution, as timm's resnet50d",
      "20 of the model's tensors are missing, 0 misshapen, and 0 of the file's unknown")
    let (network, notes) = try start(model, from: pooling, strict: false)
    XCTAssertEqual(notes.count, 3, "\(notes)")
    assert(notes[0], says: "24 skipped, its skip connections pool before they project, ours do not: ", " and 18 more")
    assert(notes[2], says: "20 missing: ")
    XCTAssertEqual(
      loaded(network) { resnetName($0) ?? $0 },
      names(model) { $0.hasPrefix("encoder.") && !$0.contains(".downsample.") })

    let grouped = tensors(model, naming: resnetName).map { tensor in
      guard tensor.name.hasSuffix(".conv2.weight") else { return tensor }
      let other = [tensor.shape[0], 4, 3, 3]
      return Safetensors.Tensor(tensor.name, other, namedValue(tensor.name, other))
    }
    assert(refusal(model, grouped), says: "has wide or grouped blocks", "take a plain resnet50")
    let longer =
      tensors(model, naming: resnetName)
      + tensors(model) {
        $0.hasPrefix("encoder.layer3.5.") ? "layer3.6." + $0.dropFirst("encoder.layer3.5.".count) : nil
      }
    assert(refusal(model, longer), says: "its layers have 3, 4, 7, 3 blocks, as none of resnet18, resnet34")
    let squeezing = tensors(model, naming: resnetName) + [.init("layer1.0.se.fc1.bias", [1], [1])]
    assert(refusal(model, squeezing), says: "1 unknown: encoder.layer1.0.se.fc1.bias")
  }

  func testFilesOfOtherModels() throws {
    let model = shape(smallEncoder())
    assert(
      refusal(model, [.init("blocks.0.attn.qkv.weight", [2], [1, 2]), .init("head.bias", [1], [1])]),
      says: "is no ResNet; it holds blocks.0.attn.qkv.weight, head.bias")
    assert(refusal(model, []), says: "is no ResNet")
    // Not even a lenient start would have anything of it.
    let other = [Safetensors.Tensor("blocks.0.attn.qkv.weight", [2], [1, 2])]
    assert(message { _ = try start(model, from: other, strict: false) }, says: "is no ResNet; it holds blocks")
  }

  func testTensorsThatAreMissingMisshapenOrIntegers() throws {
    let model = shape(smallEncoder())
    let all = tensors(model, naming: resnetName)
    func changed(_ name: String, _ change: (Safetensors.Tensor) -> Safetensors.Tensor?) -> [Safetensors.Tensor] {
      all.compactMap { $0.name == name ? change($0) : $0 }
    }
    assert(refusal(model, changed("bn1.weight") { _ in nil }), says: "1 missing: encoder.bn1.weight\n")
    let flat = changed("layer4.1.conv2.weight") { .init($0.name, "F32", [$0.shape.reduce(1, *)], $0.bytes) }
    assert(
      refusal(model, flat), says: "1 misshapen: encoder.layer4.1.conv2.weight is [36864], not [64, 64, 3, 3]\n")
    // Transposed, it has as many numbers.
    let turned = changed("layer2.0.conv1.weight") { .init($0.name, "F32", [8, 16, 3, 3], $0.bytes) }
    assert(refusal(model, turned), says: "encoder.layer2.0.conv1.weight is [8, 16, 3, 3], not [16, 8, 3, 3]")
    let integers = changed("bn1.weight") { .init($0.name, "I32", $0.shape, $0.bytes) }
    assert(refusal(model, integers), says: "encoder.bn1.weight holds integers, not floating-point numbers")
    // A decoder in part is none that is absent.
    let part = tensors(model) { $0 == "decoder.low_conv.0.bias" ? nil : $0 }
    assert(refusal(model, part), says: "1 missing: decoder.low_conv.0.bias\n")
    assert(
      refusal(shape(smallEncoder(), classes: 4), tensors(model) { $0 }),
      says: "2 misshapen: decoder.classifier.8.weight")
  }

  /// What is done to a file at random is either refused or did not concern the model; and a lenient start takes no tensor
  /// but by its name and in its shape.
  func testMutatedTensors() throws {
    let model = shape(smallEncoder())
    let good = tensors(model) { "module." + $0 }
    let wanted = Dictionary(uniqueKeysWithValues: model.entries.map { ($0.name, $0) })
    var refused = 0, taken = 0
    let untouched = drawn(model)
    for number in 0..<60 {
      var draws = SeededDraws(number)
      func draw(_ count: Int) -> Int { Int.random(in: 0..<count, using: &draws) }
      var file = good
      for _ in 0...draw(3) {
        let i = draw(file.count)
        switch draw(7) {
        case 0: file.remove(at: i)
        case 1: file[i].shape.reverse()
        case 2: file[i].shape.append(1)
        case 3: file[i].name += "x"
        case 4 where file[i].type == "F32": file[i].type = "I32"
        case 5:
          // Names of two tensors change places.
          let j = draw(file.count)
          (file[i].name, file[j].name) = (file[j].name, file[i].name)
        default: file[i].name = String(file[i].name.dropFirst(draw(9)))
        }
      }
      var names: Set<String> = []
      file.removeAll { !names.insert($0.name).inserted }
      let byName = Dictionary(uniqueKeysWithValues: file.map { ($0.name, $0) })
      let fits =
        byName.count == good.count
        && good.allSatisfy { tensor in
          guard let other = byName[tensor.name], let entry = wanted[String(tensor.name.dropFirst("module.".count))]
          else {
            return false
          }
          return entry.kind == .counter
            ? other.shape == [] || other.shape == [1] : other.shape == tensor.shape && other.type == "F32"
        }
      do {
        _ = try start(model, from: file)
        taken += 1
        XCTAssertTrue(fits || isHarmless(file, good), "mutation \(number)")
      } catch is CheckpointError { refused += 1 }
      guard let (network, _) = try? start(model, from: file, strict: false) else { continue }
      for (entry, old) in zip(network.parameters.entries, untouched.parameters.entries) where entry.kind != .counter {
        let values = Array(network.parameters.storage(entry))
        guard values != Array(untouched.parameters.storage(old)) else { continue }
        let source = file.first {
          ($0.name == entry.name || $0.name.hasSuffix("." + entry.name)) && $0.shape == entry.shape
        }
        XCTAssertEqual(source?.bytes, values.withUnsafeBytes { [UInt8]($0) }, "mutation \(number): \(entry.name)")
        XCTAssertEqual(source?.type, "F32", "mutation \(number): \(entry.name)")
      }
    }
    XCTAssertGreaterThan(refused, 30)
    XCTAssertGreaterThan(taken, 1)
  }

  /// Whether all that a file lacks are counters, or what stands outside the network.
  private func isHarmless(_ file: [Safetensors.Tensor], _ good: [Safetensors.Tensor]) -> Bool {
    let names = Set(file.map(\.name))
    return good.allSatisfy { names.contains($0.name) || $0.name.hasSuffix("num_batches_tracked") }
      && zip(file.filter { $0.type == "F32" }, good.filter { $0.type == "F32" }).allSatisfy {
        $0.shape == $1.shape || $0.name != $1.name
      }
  }
}
