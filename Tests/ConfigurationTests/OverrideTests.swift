import Configuration
import XCTest

/// `--set` and `extend`.
final class OverrideTests: XCTestCase {
  func testOverridesAreWrittenOverTheFileInOrder() throws {
    let c = try read(
      "run: {seed: 1}\nmodel: {width: 32}\n", "run.seed=2", "run.seed=3", "augment.scale=[0.75, 1.25]",
      "augment.crop=[65, 97]",
      "optimizer.weight_decay=5e-4", "reduction=mpi", "u2pl={anchors: 7, negatives: 9}", "u2pl.negatives=8")
    XCTAssertEqual(c.run.seed, 3)
    XCTAssertEqual(c.model.width, 32)
    XCTAssertEqual(c.augment.scale, 0.75...1.25)
    XCTAssertEqual(c.augment.crop, Configuration.Size(height: 65, width: 97))
    XCTAssertTrue(c.augment.flip)
    XCTAssertEqual(c.optimizer.weightDecay, 5e-4)
    XCTAssertEqual(c.reduction, .mpi)
    XCTAssertEqual([c.u2pl.anchors, c.u2pl.negatives], [7, 8])
  }

  func testValuesMayHoldEqualsSignsAndBeNull() throws {
    XCTAssertEqual(try read("", "model.weights=/a=b.h5").model.weights, "/a=b.h5")
    XCTAssertNil(try read("model: {weights: a.h5}", "model.weights=null").model.weights)
    XCTAssertNil(try read("model: {weights: a.h5}", "model.weights=").model.weights)
  }

  func testAKeySetOverASectionThatIsOffTurnsOnThatKeyOnly() throws {
    let augment = try read("augment: off\n", "augment.flip=on").augment
    XCTAssertTrue(augment.flip)
    XCTAssertNil(augment.scale)
    XCTAssertNil(augment.crop)
    XCTAssertEqual(augment.mix, .off)
    let both = try read("augment: off\n", "augment.flip=on", "augment.mix=classmix").augment
    XCTAssertTrue(both.flip)
    XCTAssertEqual(both.mix, .classmix)
    XCTAssertNil(both.crop)
    XCTAssertFalse(try read("augment: {flip: on}\n", "augment=off").augment.flip)
    XCTAssertEqual(try read("loss: {ohem: off}\n", "loss.ohem.min_kept=9").loss.ohem?.minKept, 9)
    XCTAssertNil(try read("loss: {ohem: {min_kept: 9}}\n", "loss.ohem=off").loss.ohem)
  }

  func testErrorsNameTheOverride() {
    check(minimal, "optimizer.momentum=2", at: "--set optimizer.momentum=2", says: "2 is out of range")
    check(minimal, "optimizer.momentun=0", at: "--set optimizer.momentun=0", says: "did you mean 'momentum'?")
    check(minimal, "optimiser.momentum=0", at: "--set optimiser.momentum=0", says: "did you mean 'optimizer'?")
    check(minimal, "run.seed.x=0", at: "--set run.seed.x=0", says: "run.seed: expected", "a section of keys")
    check(minimal, "data=5", at: "--set data=5", says: "data: expected keys", "the number 5")
    check(minimal, "model.dilations=[1, b, 3]", at: "--set model.dilations=[1, b, 3]", says: "found the text 'b'")
    check(minimal, "run.seed=[1", at: "--set run.seed=[1", says: "not valid YAML")
    check(minimal, "run={seed: 1, seed: 2}", at: "--set run={seed: 1, seed: 2}", says: "more than once")
    for argument in ["run.seed", "", "=", "=1", "run..seed=1", ".seed=1", "a.b.c.d.e.f.g.h.i=1"] {
      check(minimal, argument, at: "--set \(argument)", says: "expected KEY=VALUE")
    }
    check(minimal, "extend=voc.yaml", at: "--set extend=voc.yaml", says: "extend is for files")
  }

  func testOverridesDoNotHideErrorsInTheFileElsewhere() {
    check(minimal + "run: {seed: a}\n", "run.directory=r", at: "x.yaml:6:13", says: "run.seed")
  }

  func testExtending() throws {
    let files = [
      "base.yaml": minimal + "run: {seed: 1, directory: base}\nmodel: {width: 32}\naugment: off\nu2pl: {anchors: 5}\n",
      "sub/middle.yaml": "extend: ../base.yaml\nrun: {seed: 2}\nmodel: {features: 16}\nu2pl:\n",
      "sub/top.yaml": "run: {seed: 3}\nextend: middle.yaml\naugment: {flip: on}\n",
    ]
    try withFolder(files) { folder in
      let c = try Configuration.load(path: folder + "/sub/top.yaml", overrides: ["model.width=64"])
      XCTAssertEqual(c.run.seed, 3)
      XCTAssertEqual(c.run.directory, "base")
      XCTAssertEqual([c.model.width, c.model.features, c.u2pl.anchors], [64, 16, 5])
      XCTAssertTrue(c.augment.flip)
      XCTAssertNil(c.augment.crop)
      let inline = try Configuration(yaml: "extend: base.yaml\nrun: {seed: 4}\n", source: folder + "/none.yaml")
      XCTAssertEqual(inline.run.seed, 4)
      let absolute = try Configuration(yaml: "extend: \(folder)/base.yaml", source: "x.yaml")
      XCTAssertEqual(absolute.run.seed, 1)
    }
  }

  func testErrorsInAnExtendedFileNameThatFile() throws {
    let files = [
      "typed.yaml": minimal + "run: {seed: a}\n", "unknown.yaml": minimal + "ran: 1\n", "broken.yaml": "a: [",
      "data.yaml": "data:\n  kind: shapes\n", "empty.yaml": "",
    ]
    try withFolder(files) { folder in
      func failure(_ yaml: String) -> String {
        do {
          return try Configuration(yaml: yaml, source: folder + "/top.yaml").yaml()
        } catch {
          return "\(error)".replacing(folder + "/", with: "")
        }
      }
      XCTAssertTrue(failure("extend: typed.yaml").hasPrefix("typed.yaml:6:13: run.seed"))
      XCTAssertTrue(failure("extend: unknown.yaml").hasPrefix("unknown.yaml:6:1: unknown key 'ran'"))
      XCTAssertTrue(failure("extend: broken.yaml").hasPrefix("broken.yaml:2:1: not valid YAML"))
      XCTAssertTrue(failure("extend: empty.yaml").hasPrefix("empty.yaml: the file is empty"))
      XCTAssertTrue(failure("extend: typed.yaml\nrun: {seed: b}").hasPrefix("top.yaml:2:13: run.seed"))
      XCTAssertTrue(
        failure("run: {}\nextend: none.yaml").hasPrefix("top.yaml:2:9: extend: there is no file 'none.yaml'"))
      XCTAssertTrue(failure("extend: [a]").hasPrefix("top.yaml:1:9: extend: expected path of a configuration"))
      XCTAssertTrue(failure("extend: data.yaml\ndata: {classes: 3}").hasPrefix("top.yaml:2:7: data.labeled is missing"))
    }
  }

  func testCirclesAreFound() throws {
    let files = ["a.yaml": "extend: ./b.yaml", "b.yaml": "extend: c.yaml", "c.yaml": "extend: x/a.yaml"]
    try withFolder(files) { folder in
      let link = folder + "/x"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder)
      XCTAssertThrowsError(try Configuration.load(path: link + "/a.yaml", overrides: [])) { error in
        XCTAssertTrue("\(error)".contains("c.yaml:1:9: extend: the files extend each other in a circle"), "\(error)")
        XCTAssertEqual("\(error)".components(separatedBy: " → ").count, 4, "\(error)")
      }
      XCTAssertThrowsError(try Configuration(yaml: "extend: top.yaml", source: folder + "/top.yaml")) { error in
        XCTAssertTrue("\(error)".contains("circle"), "\(error)")
      }
    }
  }
}
