import Configuration
import XCTest

/// What a good file is read as.
final class ValueTests: XCTestCase {
  func testDefaultsAreThePublishedRecipe() throws {
    let c = try Configuration(
      yaml: "data: {root: /d, labeled: a.txt, unlabeled: b.txt, classes: 21}", source: "x.yaml", overrides: [])
    XCTAssertEqual(c.run.seed, 0)
    XCTAssertNil(c.run.directory)
    XCTAssertEqual(c.data.kind, .voc)
    XCTAssertEqual(c.data.labeled, .file("a.txt"))
    XCTAssertEqual(c.data.unlabeled, .file("b.txt"))
    XCTAssertNil(c.data.validation)
    XCTAssertEqual(c.data.classes, 21)
    XCTAssertNil(c.data.classNames)
    XCTAssertEqual(c.data.mean, [123.675, 116.28, 103.53])
    XCTAssertEqual(c.data.std, [58.395, 57.12, 57.375])
    XCTAssertTrue(c.data.shuffle)
    XCTAssertEqual([c.batch.labeled, c.batch.unlabeled], [16, 16])
    XCTAssertEqual(c.augment.scale, 0.5...2)
    XCTAssertTrue(c.augment.flip)
    XCTAssertEqual(c.augment.crop, Configuration.Size(height: 513, width: 513))
    XCTAssertNil(c.augment.rotate)
    XCTAssertNil(c.augment.blur)
    XCTAssertNil(c.augment.color)
    XCTAssertEqual([c.augment.blurProbability, c.augment.colorProbability], [0.5, 0.8])
    XCTAssertEqual(c.augment.mix, .cutmix)
    XCTAssertEqual(c.augment.mixProbability, 0.5)
    XCTAssertEqual(c.model.encoder, .resnet101)
    XCTAssertEqual(c.model.encoder.depth, 101)
    XCTAssertEqual([c.model.outputStride, c.model.width, c.model.features], [8, 256, 256])
    XCTAssertEqual(c.model.dilations, [12, 24, 36])
    XCTAssertEqual([c.model.encoderWidth, c.model.dropout], [1, 0.1])
    XCTAssertTrue(c.model.multiGrid && c.model.zeroInitResidual && c.model.strict)
    XCTAssertEqual(c.model.stem, .deep)
    XCTAssertNil(c.model.weights)
    XCTAssertEqual([c.optimizer.learningRate, c.optimizer.headFactor, c.optimizer.momentum], [0.001, 10, 0.9])
    XCTAssertEqual([c.optimizer.weightDecay, c.optimizer.power], [1e-4, 0.9])
    XCTAssertEqual([c.schedule.epochs, c.schedule.supervisedEpochs], [80, 1])
    XCTAssertNil(c.schedule.stepsPerEpoch)
    XCTAssertTrue(c.u2pl.enabled)
    XCTAssertEqual([c.u2pl.alpha0, c.u2pl.deltaP, c.u2pl.temperature], [0.2, 0.3, 0.5])
    XCTAssertEqual([c.u2pl.lambdaC, c.u2pl.emaDecay], [0.1, 0.99])
    XCTAssertEqual(c.optimizer.kind, .sgd)
    XCTAssertEqual([c.loss.dice, c.data.balance], [0, 0])
    XCTAssertEqual(c.u2pl.threshold, .global)
    XCTAssertEqual(c.optimizer.schedule, .poly)
    XCTAssertEqual(c.optimizer.warmupSteps, 0)
    XCTAssertTrue(
      c.augment.strong.color == nil && c.augment.strong.blur == nil && c.augment.strong.greyProbability == 0)
    XCTAssertEqual(c.augment.mixDraw, .step)
    XCTAssertEqual(c.augment.cutmixArea, 0.5...0.5)
    XCTAssertEqual(c.teacher.start, .pseudoLabels)
    XCTAssertEqual([c.u2pl.lowRank, c.u2pl.highRank, c.u2pl.anchors, c.u2pl.negatives], [3, 20, 256, 50])
    XCTAssertEqual(c.u2pl.capacity, [50_000] + Array(repeating: 30_000, count: 20))
    XCTAssertEqual(c.u2pl.enqueuePerStep, 4096)
    XCTAssertNil(c.loss.ohem)
    XCTAssertEqual(c.teacher.buffers, .own)
    XCTAssertNil(c.checkpoint.everySteps)
    XCTAssertEqual(c.checkpoint.keep, 3)
    XCTAssertEqual(c.evaluate.everyEpochs, 1)
    XCTAssertEqual(c.evaluate.mode, .whole)
    XCTAssertEqual(c.evaluate.scales, [1])
    XCTAssertFalse(c.evaluate.flip)
    XCTAssertNil(c.compute.threads)
    XCTAssertEqual(c.reduction, .ordered)
  }

  func testNumbers() throws {
    // YAML 1.1 takes the first for text.
    for text in ["1e-4", "1E-4", "+1e-4", "0.0001", ".0001", "1.0e-04", "0.000_1"] {
      XCTAssertEqual(try read("optimizer: {weight_decay: \(text)}").optimizer.weightDecay, 1e-4, text)
    }
    for text in ["256", "256.0", "2.56e2", "+256", "2_56"] {
      XCTAssertEqual(try read("u2pl: {anchors: \(text)}").u2pl.anchors, 256, text)
    }
    XCTAssertEqual(try read("run: {seed: 18446744073709551615}").run.seed, .max)
  }

  func testSwitches() throws {
    for text in ["on", "yes", "true", "On", "TRUE", "\"on\""] {
      XCTAssertTrue(try read("model: {strict: \(text)}").model.strict, text)
    }
    for text in ["off", "no", "false", "Off", "FALSE", "'off'"] {
      XCTAssertFalse(try read("model: {strict: \(text)}").model.strict, text)
      let augment = try read("augment: \(text)").augment
      XCTAssertNil(augment.scale, text)
      XCTAssertNil(augment.crop, text)
      XCTAssertFalse(augment.flip, text)
      XCTAssertEqual(augment.mix, .off, text)
      XCTAssertEqual(try read("augment: {mix: \(text)}").augment.mix, .off, text)
      XCTAssertNil(try read("augment: {scale: \(text)}").augment.scale, text)
      XCTAssertNil(try read("loss: {ohem: \(text)}").loss.ohem, text)
    }
  }

  func testSizes() throws {
    XCTAssertEqual(try read("augment: {crop: 65}").augment.crop, Configuration.Size(height: 65, width: 65))
    XCTAssertEqual(try read("augment: {crop: [33, 65]}").augment.crop, Configuration.Size(height: 33, width: 65))
    XCTAssertEqual(try read().data.size, Configuration.Size(height: 96, width: 96))
  }

  func testAugmentationsThatAreOffByDefault() throws {
    XCTAssertEqual(try read("augment: {rotate: 10}").augment.rotate, -10...10)
    XCTAssertEqual(try read("augment: {rotate: -10}").augment.rotate, -10...10)
    XCTAssertEqual(try read("augment: {rotate: [0, 45.5]}").augment.rotate, 0...45.5)
    XCTAssertEqual(try read("augment: {blur: 2}").augment.blur, 2)
    XCTAssertEqual(
      try read("augment: {color: [0.5, 1, 0, 0.5]}").augment.color,
      Configuration.Augment.Color(brightness: 0.5, contrast: 1, saturation: 0, hue: 0.5))
    for key in ["rotate", "blur", "color"] {
      XCTAssertEqual(try read("augment: {\(key): off}").augment, try read().augment, key)
    }
  }

  func testEvaluationScales() throws {
    XCTAssertEqual(try read("evaluate: {scales: [0.75, 1, 1.25]}").evaluate.scales, [0.75, 1, 1.25])
    XCTAssertTrue(try read("evaluate: {flip: on}").evaluate.flip)
  }

  func testEncoderByNumber() throws {
    XCTAssertEqual(try read("model: {encoder: 18}").model.encoder, .resnet18)
    XCTAssertEqual(try read("model: {encoder: resnet34}").model.encoder, .resnet34)
  }

  func testWhatDependsOnTheNumberOfClasses() throws {
    XCTAssertEqual(try read().u2pl.capacity, [50_000, 30_000, 30_000])
    XCTAssertEqual(try read("u2pl: {capacity: null}").u2pl.capacity, [50_000, 30_000, 30_000])
    XCTAssertEqual(try read("u2pl: {capacity: 400}").u2pl.capacity, [400, 400, 400])
    XCTAssertEqual(try read("u2pl: {capacity: [1, 2, 3]}").u2pl.capacity, [1, 2, 3])
    XCTAssertEqual(try read("", "data.classes=2", "u2pl.low_rank=0").u2pl.lowRank, 0)
    let standard = try [2, 3, 4, 5, 7, 8, 21, 150].map { try read("", "data.classes=\($0)").u2pl.lowRank }
    XCTAssertEqual(standard, [1, 1, 1, 2, 2, 3, 3, 3])
  }

  func testNullIsNoLimit() throws {
    XCTAssertEqual(try read().u2pl.enqueuePerStep, 4096)
    XCTAssertNil(try read("u2pl: {enqueue_per_step: null}").u2pl.enqueuePerStep)
    XCTAssertNil(try read("u2pl: {enqueue_per_step: }").u2pl.enqueuePerStep)
  }

  func testOHEM() throws {
    XCTAssertEqual(try read("loss: {ohem: on}").loss.ohem?.threshold, 0.7)
    let ohem = try read("loss: {ohem: {min_kept: 5}}").loss.ohem
    XCTAssertEqual(ohem?.threshold, 0.7)
    XCTAssertEqual(ohem?.minKept, 5)
  }

  func testClassNames() throws {
    XCTAssertEqual(try read("", "data.classes=[a, 'off', b c]").data.classNames, ["a", "off", "b c"])
    try withFolder(["names/list.txt": "sky\r\n  a tree \n\nroad\n"]) { root in
      let data = try read("", "data.root=\(root)", "data.classes=names/list.txt").data
      XCTAssertEqual(data.classNames, ["sky", "a tree", "road"])
      XCTAssertEqual(data.classes, 3)
      XCTAssertEqual(try read("", "data.classes=\(root)/names/list.txt").data.classes, 3)
    }
  }

  func testPathsAreBelowTheRoot() throws {
    var data = try read("", "data.root=/d").data
    XCTAssertEqual(data.resolve("a/b.txt"), "/d/a/b.txt")
    XCTAssertEqual(data.resolve("/a/b.txt"), "/a/b.txt")
    data.root = "/d/"
    XCTAssertEqual(data.resolve("b.txt"), "/d/b.txt")
    data.root = ""
    XCTAssertEqual(data.resolve("b.txt"), "b.txt")
  }

  func testASectionWithoutKeysIsAsIfLeftOut() throws {
    XCTAssertEqual(try read("run:\noptimizer:\n  # momentum: 0.5\n"), try read())
  }

  func testAFileThatIsNamedLikeANumberIsQuoted() throws {
    let yaml = "data: {root: /d, labeled: '23', unlabeled: 'inf', classes: 3}"
    let data = try Configuration(yaml: yaml, source: "x.yaml").data
    XCTAssertEqual(data.labeled, .file("23"))
    XCTAssertEqual(data.unlabeled, .file("inf"))
  }

  func testByteOrderMarkWindowsLineEndsAndAliases() throws {
    let yaml = "\u{FEFF}" + (minimal + "batch: {labeled: &n 2, unlabeled: *n}").replacing("\n", with: "\r\n")
    let batch = try Configuration(yaml: yaml, source: "x.yaml").batch
    XCTAssertEqual([batch.labeled, batch.unlabeled], [2, 2])
  }
}
