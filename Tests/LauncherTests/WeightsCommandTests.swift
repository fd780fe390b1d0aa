import Checkpoint
import Foundation
import HDF5
import Network
import TestSupport
import Weights
import XCTest

/// `u2pl weights`, and runs that start from what it makes or from a safetensors file itself.
final class WeightsCommandTests: CommandTestCase {
  /// The encoder of `tiny.yaml` with the classic stem.
  private let encoder = EncoderShape(depth: .resnet18, stem: .classic, width: 0.25)
  private let classic = ["model.stem=classic"]
  /// A step with everything, and its evaluation.
  private let brief = ["schedule.epochs=1", "schedule.steps_per_epoch=1", "schedule.supervised_epochs=0"]

  /// A ResNet under torchvision's names.
  private func resnet(_ encoder: EncoderShape) -> [Safetensors.Tensor] {
    let shape = SegmenterShape(encoder: encoder, classes: 2, width: 8, features: 8, dilations: [1, 2, 3])
    let layers: [Safetensors.Tensor] = shape.entries.filter { $0.name.hasPrefix("encoder.") }.map { entry in
      let name = String(entry.name.dropFirst("encoder.".count))
      return entry.kind == .counter
        ? .init(name, counter: 5) : .init(name, entry.shape, namedValue(name, entry.shape))
    }
    return layers + [.init("fc.weight", [3, 2], [1, 2, 3, 4, 5, 6]), .init("fc.bias", [3], [1, 2, 3])]
  }

  override func setUpWithError() throws {
    try super.setUpWithError()
    try Safetensors(resnet(encoder)).write(to: path("resnet.safetensors"))
  }

  @discardableResult
  private func weights(
    _ arguments: String..., file: StaticString = #filePath, line: UInt = #line
  ) throws -> String {
    let outcome = try run(["weights"] + arguments, limit: patience, file: file, line: line)
    XCTAssertEqual(outcome.status, 0, outcome.summary, file: file, line: line)
    XCTAssertEqual(outcome.errors, "", file: file, line: line)
    return outcome.output
  }

  // MARK: Import

  func testImportAndTrainAStep() throws {
    let output = try weights("import", "resnet.safetensors", "-o", "encoder.h5")
    for text in [
      "resnet.safetensors: 120 tensors", "2 skipped, the classifier it was trained with: fc.bias, fc.weight",
      "encoder.layer4", "has no decoder, which starts from run.seed", "encoder.h5: 120 tensors, 2.8 MB",
      "  model.encoder: resnet18\n  model.stem: classic\n  model.encoder_width: 0.25\n  model.weights: encoder.h5\n",
    ] where !output.contains(text) { XCTFail("no “\(text)” in \(output)") }

    // The same bits from either file, at any number of ranks.
    for (name, file, ranks) in [
      ("direct", "resnet.safetensors", nil), ("imported", "encoder.h5", nil), ("two", "resnet.safetensors", 2),
    ] as [(String, String, Int?)] {
      let outcome = try train(name, classic + brief + ["model.weights=\(file)"], ranks: ranks)
      let note = "\(file): has no decoder, which starts from run.seed"
      XCTAssertTrue(outcome.output.contains(note), outcome.output)
      let log = try String(contentsOfFile: path("\(name)/logs/rank-0000.log"), encoding: .utf8)
      XCTAssertTrue(log.contains(note), log)
    }
    XCTAssertEqual(try metrics("direct"), try metrics("imported"))
    XCTAssertEqual(try student("direct"), try student("imported"))
    try assertSame("direct", "two", lastStep: 1)
    try train("drawn", classic + brief)
    XCTAssertNotEqual(try metrics("direct"), try metrics("drawn"))
    // 5 of the file, and the step.
    XCTAssertEqual(try student("direct")["encoder.bn1.num_batches_tracked"]?.values, .float32([6]))
  }

  private func student(_ run: String) throws -> [String: StoredDataset] {
    try NamedWeights(checkpoint(run, step: 1)).tensors
  }

  /// With a learning rate of 0 a step leaves the weights as they were in the file, and the decoder as the seed draws it.
  func testWhatARunStartsFrom() throws {
    let still = ["optimizer.learning_rate=0", "optimizer.weight_decay=0"]
    try train("given", classic + brief + still + ["model.weights=resnet.safetensors"])
    try train("drawn", classic + brief + still)
    let (given, drawn) = try (student("given"), student("drawn"))
    for (name, tensor) in given where !name.contains("running_") && !name.hasSuffix("num_batches_tracked") {
      if name.hasPrefix("encoder.") {
        let own = namedValue(String(name.dropFirst("encoder.".count)), tensor.shape)
        XCTAssertEqual(tensor.values, .float32(own), name)
      } else {
        XCTAssertEqual(tensor, drawn[name], name)
      }
    }
  }

  func testImportOfANetworkOfACheckpoint() throws {
    try train("run", brief)
    for (network, option) in [
      ("teacher", []), ("teacher", ["--network", "teacher"]), ("student", ["--network", "student"]),
    ] {
      let outcome = try run(
        ["weights", "import", checkpoint("run", step: 1), "-o", "w.h5", "--config", "tiny.yaml"] + option)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertTrue(outcome.output.contains("decoder.representation"), outcome.output)
      let (from, to) = try (
        CheckpointFile.read(checkpoint("run", step: 1), group: network), CheckpointFile.read(path("w.h5"))
      )
      XCTAssertEqual(
        to.datasets,
        Dictionary(
          uniqueKeysWithValues: from.datasets.map { ("student/" + $0.key.dropFirst(network.count + 1), $0.value) }))
    }
    // It is a whole network again.
    let outcome = try train("again", brief + ["model.weights=w.h5"])
    XCTAssertFalse(outcome.output.contains("which starts from run.seed"), outcome.output)
  }

  // MARK: Export

  func testExportAndImportAgain() throws {
    try train("run", brief)
    for (network, option) in [("teacher", []), ("student", ["--network", "student"])] as [(String, [String])] {
      let outcome = try run(["weights", "export", checkpoint("run", step: 1), "-o", "out.safetensors"] + option)
      XCTAssertEqual(outcome.status, 0, outcome.summary)
      XCTAssertTrue(outcome.output.contains("out.safetensors: \(network), "), outcome.output)
      let file = try SafetensorsFile(path("out.safetensors"))
      XCTAssertEqual(
        file.metadata,
        ["format": "pt", "mean": "[123.675, 116.28, 103.53]", "std": "[58.395, 57.12, 57.375]", "classes": "4"])
      let expected = try CheckpointFile.read(checkpoint("run", step: 1), group: network).datasets(in: network)
      XCTAssertEqual(file.tensors.count, expected.count)
      for tensor in file.tensors {
        let stored = try XCTUnwrap(expected[tensor.name])
        XCTAssertEqual(try file.read(tensor).values, stored.values, tensor.name)
        let isCounter = tensor.name.hasSuffix("num_batches_tracked")
        XCTAssertEqual(tensor.type, isCounter ? .i64 : .f32, tensor.name)
        XCTAssertEqual(tensor.shape, isCounter ? [] : stored.shape, tensor.name)
      }
    }
    try weights("import", "out.safetensors", "-o", "again.h5", "--config", "tiny.yaml")
    XCTAssertEqual(
      try CheckpointFile.read(path("again.h5")).datasets,
      try CheckpointFile.read(checkpoint("run", step: 1), group: "student").datasets)
    XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".tmp") }, [])
  }

  /// What PyTorch makes of an exported file: a state_dict of the published names, shapes and types, number by number that
  /// of the checkpoint.
  func testPyTorchLoadsAnExportedFile() throws {
    let peer = try PythonPeer(modules: "torch, safetensors, h5py")
    try train(
      "run", brief + ["model.encoder_width=1", "model.width=64", "model.features=64", "data.classes=6"])
    try weights("export", checkpoint("run", step: 1), "-o", "out.safetensors")
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let result = try peer.run([
      "-c",
      """
      import ast, h5py, sys, torch
      from safetensors.torch import load_file, save_file
      state = load_file(sys.argv[1])
      published = {}
      for line in open(sys.argv[3]):
          name, shape = line.split(" ", 1)
          published[name] = tuple(ast.literal_eval(shape))
      assert {k: tuple(v.shape) for k, v in state.items()} == published
      with h5py.File(sys.argv[2]) as f:
          for k, v in state.items():
              assert v.dtype == (torch.int64 if k.endswith("num_batches_tracked") else torch.float32), k
              assert torch.equal(v.reshape(-1), torch.from_numpy(f["teacher"][k][()]).reshape(-1)), k
      # Wrapped as DistributedDataParallel does, and in half the bytes.
      save_file({"module." + k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()}, sys.argv[4])
      """, path("out.safetensors"), checkpoint("run", step: 1),
      tests.appendingPathComponent("NetworkTests/Expected/parameters-18.txt").path, path("half.safetensors"),
    ])
    XCTAssertEqual(result.status, 0, result.output)
    let output = try weights("import", "half.safetensors", "-o", "half.h5")
    XCTAssertTrue(output.contains("the published names below 'module.'"), output)
    let (whole, half) = try (NamedWeights(path("out.safetensors")), NamedWeights(path("half.h5")))
    for (name, tensor) in whole.tensors {
      guard case .float32(let values) = tensor.values, case .float32(let rounded)? = half.tensors[name]?.values else {
        continue
      }
      for (a, b) in zip(values, rounded) where abs(a - b) > abs(a) / 256 { return XCTFail("\(name): \(a), \(b)") }
    }
  }

  // MARK: Show

  func testShow() throws {
    let output = try weights("show", "resnet.safetensors")
    for text in [
      "resnet.safetensors: safetensors, 122 tensors, ",
      "names of a torchvision or timm ResNet; resnet18 with the classic stem",
    ] where !output.contains(text) { XCTFail("no “\(text)” in \(output)") }
    XCTAssertNotNil(output.firstMatch(of: /bn1.num_batches_tracked +I64 +\[\]\n/), output)
    XCTAssertNotNil(output.firstMatch(of: /conv1.weight +F32 +\[16, 3, 7, 7\]\n/), output)
    try train("run", brief)
    let checkpoint = try weights("show", checkpoint("run", step: 1))
    XCTAssertTrue(checkpoint.contains("/student: the published names; resnet18 with the deep stem"), checkpoint)
    XCTAssertNotNil(checkpoint.firstMatch(of: /bank\/queue\/0 +int32 +\[\d+\]/), checkpoint)
  }

  // MARK: Bad input

  /// What other programs read is made in Python; the message leads there.
  func testExportToOtherFormats() throws {
    for name in ["x.onnx", "x.pth", "x.pt"] {
      let outcome = try run(["weights", "export", "any.h5", "-o", name])
      XCTAssertEqual(outcome.status, 64, outcome.summary)
      XCTAssertTrue(
        outcome.errors.contains("-o \(name): export writes safetensors; name it .safetensors"), outcome.summary)
      XCTAssertEqual(outcome.errors.contains("ONNX"), name == "x.onnx", outcome.summary)
    }
  }

  func testFilesThatAreRefused() throws {
    try write("model.pth", [0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 60))
    try write("text.txt", "no weights at all")
    let good = Safetensors(resnet(encoder)).bytes
    try write("short.safetensors", good.dropLast(100))
    let cases: [(file: String, says: [String])] = [
      ("nowhere.safetensors", ["nowhere.safetensors"]),
      ("model.pth", ["model.pth: is a file of torch.save", "docs/weights.md"]),
      ("text.txt", ["text.txt: is neither safetensors nor HDF5"]),
      ("short.safetensors", ["short.safetensors: is cut short: its header describes ", "bytes of data, of which "]),
    ]
    for (file, says) in cases {
      try assertRefused(["weights", "import", file, "-o", "out.h5"], at: [nil], saying: says)
      try assertRefused(["weights", "show", file], at: [nil], saying: says)
      try assertRefused(training("new", ["model.weights=\(file)"]), saying: says)
    }
    try assertRefused(
      ["weights", "show", "nowhere.safetensors"], at: [nil], saying: "cannot be read: No such file")
    try assertRefused(
      training("new", ["model.weights=nowhere.safetensors"]),
      saying: "model.weights: there is no file nowhere.safetensors", "docs/weights.md")
    try assertRefused(
      ["weights", "export", "resnet.safetensors", "-o", "o.safetensors"], at: [nil], saying: "not a checkpoint")
    try assertRefused(
      ["weights", "import", "resnet.safetensors", "-o", "none/out.h5"], at: [nil], saying: "none/out.h5", "No such file"
    )
    for arguments in [
      ["weights", "import", "resnet.safetensors", "-o", "x.safetensors"], ["weights", "export", "x.h5", "-o", "x.pth"],
      ["weights", "import", "resnet.safetensors", "-o", "x.h5", "--set", "model.stem=deep"],
      ["weights", "import", "-o", "x.h5"],
    ] {
      let outcome = try run(arguments, limit: patience)
      XCTAssertEqual(outcome.status, 64, outcome.summary)
    }
  }

  func testTheKeyToSetIsNamed() throws {
    let stem =
      "is a resnet18 with the classic stem (one 7×7 convolution), the configuration says resnet18 with the deep stem"
    try assertRefused(
      training("new", ["model.weights=resnet.safetensors"]), saying: stem, "set model.stem: classic",
      "model.strict: off")
    try assertRefused(
      ["weights", "import", "resnet.safetensors", "-o", "out.h5", "--config", "tiny.yaml"], at: [nil], saying: stem,
      "set model.stem: classic", "--lenient")
    try assertRefused(
      training(
        "new", classic + ["model.weights=resnet.safetensors", "model.encoder=resnet50", "model.encoder_width=1"]),
      at: [nil],
      saying: "set model.encoder: resnet18 and model.encoder_width: 0.25")
    try assertRefused(
      ["weights", "import", "resnet.safetensors", "-o", "out.h5", "--config", "tiny.yaml", "--set", "model.stm=deep"],
      at: [nil], saying: "unknown key 'stm'")
    let lenient = try weights(
      "import", "resnet.safetensors", "-o", "out.h5", "--config", "tiny.yaml", "--lenient", "--verbose")
    XCTAssertTrue(lenient.contains("  16 missing:\n    encoder.conv1.0.weight\n"), lenient)
    XCTAssertTrue(lenient.contains("model.strict: off"), lenient)
    try train("rest", brief + ["model.weights=out.h5", "model.strict=off"])
  }

  func testTwoNetworksInOneFile() throws {
    let both = ["student.", "teacher."].flatMap { prefix in
      resnet(encoder).map { Safetensors.Tensor(prefix + $0.name, $0.type, $0.shape, $0.bytes) }
    }
    try Safetensors(both).write(to: path("both.safetensors"))
    try assertRefused(
      training("new", classic + ["model.weights=both.safetensors"]), at: [nil], saying: "holds several networks",
      "u2pl weights import both.safetensors --prefix PREFIX")
    try weights("import", "both.safetensors", "--prefix", "teacher", "-o", "teacher.h5")
    try weights("import", "resnet.safetensors", "-o", "one.h5")
    XCTAssertEqual(
      try CheckpointFile.read(path("teacher.h5")).datasets, try CheckpointFile.read(path("one.h5")).datasets)
  }
}
