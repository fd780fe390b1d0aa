import Configuration
import XCTest

/// What a bad file is told, and where. Keys appended to `minimal` start at line 6.
final class ErrorTests: XCTestCase {
  func testUnknownKeys() {
    check(minimal + "optimiser:\n  momentum: 0.5\n", at: "x.yaml:6:1", says: "'optimiser'", "did you mean 'optimizer'?")
    check(
      minimal + "optimizer:\n  power: 1\n  momentun: 0.5\n", at: "x.yaml:8:3", says: "'momentun' in 'optimizer'",
      "did you mean 'momentum'?")
    check(minimal + "model: {multi-grid: on}\n", at: "x.yaml:6:9", says: "did you mean 'multi_grid'?")
    check(minimal + "optimizer: {learning: 1}\n", at: "x.yaml:6:13", says: "did you mean 'learning_rate'?")
    check(minimal + "loss: {ohem: {treshold: 1}}\n", at: "x.yaml:6:15", says: "did you mean 'threshold'?")
    check(minimal + "batch:\n  zzzzzz: 1\n", at: "x.yaml:7:3", says: "allowed here: labeled, unlabeled")
    check(minimal + "banana: 1\n", at: "x.yaml:6:1", says: "allowed here: run, data,", "reduction")
    check(minimal + "schedule: {momentum: 1}\n", at: "x.yaml:6:12", says: "did you mean 'optimizer.momentum'?")
    check(minimal + "batch.labeled: 1\n", at: "x.yaml:6:1", says: "write 'batch:' and, indented below it, 'labeled:'")
    check(minimal + "1: 1\n", at: "x.yaml:6:1", says: "unknown key '1'")
    check(minimal + "? [a]\n: 1\n", at: "x.yaml:6:3", says: "expected the name of a key, found a list of 1")
  }

  func testAnUnknownKeyIsToldBeforeTheKeyThatIsThereforeMissing() {
    check("data: {kind: shapes, labelled: 4, classes: 3}", at: "x.yaml:1:22", says: "did you mean 'labeled'?")
  }

  /// YAML would drop what follows without a word.
  func testCommentsInOverrides() throws {
    check(minimal, "data.root=real #2", at: "--set data.root=real #2", says: "comment", "in quotes")
    check(minimal, "run.directory= #", at: "--set run.directory= #", says: "comment")
    for (value, directory) in [("'a #2'", "a #2"), ("\"a #2\"", "a #2"), ("a#2", "a#2")] {
      let read = try Configuration(yaml: minimal, source: "x.yaml", overrides: ["run.directory=\(value)"])
      XCTAssertEqual(read.run.directory, directory)
    }
  }

  /// As a shell reads it where it sees it.
  func testTheHomeFolder() throws {
    let home = try XCTUnwrap(ProcessInfo.processInfo.environment["HOME"])
    for (value, directory) in [("~/runs", home + "/runs"), ("a/~/b", "a/~/b"), ("~other/x", "~other/x")] {
      let read = try Configuration(yaml: minimal, source: "x.yaml", overrides: ["run.directory=\(value)"])
      XCTAssertEqual(read.run.directory, directory)
    }
  }

  func testTypes() {
    check(
      minimal + "optimizer:\n  momentum: high\n", at: "x.yaml:7:13",
      says: "optimizer.momentum: expected a number, found the text 'high'; for example 'momentum: 0.9'")
    check(minimal + "run: {seed: '4'}\n", at: "x.yaml:6:13", says: "a whole number", "the quoted text \"4\"")
    check(minimal + "run: {seed: 1.5}\n", at: "x.yaml:6:13", says: "a whole number", "the number 1.5")
    check(minimal + "u2pl: {anchors: 1.5}\n", at: "x.yaml:6:17", says: "a whole number", "the number 1.5")
    check(minimal + "u2pl: {anchors: }\n", at: "x.yaml:6:17", says: "nothing (null)")
    check(minimal + "u2pl: {anchors: [1]}\n", at: "x.yaml:6:17", says: "a list of 1")
    check(minimal + "u2pl: {anchors: {a: 1}}\n", at: "x.yaml:6:17", says: "a section of keys")
    check(minimal + "u2pl: {anchors: 0x10}\n", at: "x.yaml:6:17", says: "expected a whole number")
    check(minimal + "u2pl: {anchors: on}\n", at: "x.yaml:6:17", says: "the switch 'on'")
    check(minimal + "model: {strict: 1}\n", at: "x.yaml:6:17", says: "expected on or off, found the number 1")
    check(minimal + "model: {stem: depe}\n", at: "x.yaml:6:15", says: "did you mean 'deep'?")
    check(minimal + "model: {stem: banana}\n", at: "x.yaml:6:15", says: "one of deep, classic")
    check(minimal + "model: {encoder: 19}\n", at: "x.yaml:6:18", says: "resnet18, resnet34, resnet50, resnet101")
    check(minimal + "model: {weights: [a]}\n", at: "x.yaml:6:18", says: "expected path, or null, found a list of 1")
    check(minimal + "model: {weights: \"a\\nb\"}\n", at: "x.yaml:6:18", says: "line break")
    check(minimal + "model: {dilations: [1, 2]}\n", at: "x.yaml:6:20", says: "a list of three", "[12, 24, 36]")
    check(minimal + "model: {dilations: [1, b, 3]}\n", at: "x.yaml:6:24", says: "found the text 'b'")
    check(minimal + "augment: {scale: 2}\n", at: "x.yaml:6:18", says: "a list of two numbers, or off", "the number 2")
    check(minimal + "augment: {crop: [1, 2, 3]}\n", at: "x.yaml:6:17", says: "[height, width]", "a list of 3")
    check(minimal + "augment: on\n", at: "x.yaml:6:10", says: "augment: expected keys indented below it, or off")
    check(
      minimal + "batch: 16\n", at: "x.yaml:6:8", says: "batch: expected keys indented below it, found the number 16")
    check(minimal + "batch: off\n", at: "x.yaml:6:8", says: "found the switch 'off'")
    check(minimal + "loss: {ohem: 0.7}\n", at: "x.yaml:6:14", says: "loss.ohem: expected keys", "the number 0.7")
    check(minimal + "reduction: tree\n", at: "x.yaml:6:12", says: "one of ordered, mpi")
  }

  func testRanges() {
    check(
      minimal + "optimizer: {momentum: 1}\n", at: "x.yaml:6:23",
      says: "optimizer.momentum: 1 is out of range: at least 0, below 1")
    check(minimal + "optimizer: {learning_rate: -0.1}\n", at: "x.yaml:6:28", says: "-0.1 is out of range")
    for text in [".inf", ".nan", "1e999", "-.Inf"] {
      check(minimal + "optimizer: {learning_rate: \(text)}\n", at: "x.yaml:6:28", says: "\(text) is out of range")
    }
    check(minimal + "batch: {labeled: 0}\n", at: "x.yaml:6:18", says: "0 is out of range: 1 to 65536")
    check(minimal + "checkpoint: {keep: 2147483648}\n", at: "x.yaml:6:20", says: "out of range")
    for text in ["9223372036854775808", "99999999999999999999999", "1e30", "1e999", "-1e30"] {
      check(minimal + "u2pl: {anchors: \(text)}\n", at: "x.yaml:6:17", says: "\(text) is out of range: 1 to")
      check(minimal + "data2: 1\n", "u2pl.anchors=\(text)", at: "x.yaml:6:1", says: "'data2'")
    }
    check(minimal + "run: {seed: -1}\n", at: "x.yaml:6:13", says: "0 to 18446744073709551615")
    check(minimal + "run: {seed: 18446744073709551616}\n", at: "x.yaml:6:13", says: "is out of range")
    check(minimal + "model: {output_stride: 12}\n", at: "x.yaml:6:24", says: "12 is out of range: 8 or 16")
    check(minimal + "model: {encoder_width: 0}\n", at: "x.yaml:6:24", says: "0.125 to 8")
    check(minimal + "augment: {scale: [2, 0.5]}\n", at: "x.yaml:6:18", says: "write the lower factor first")
    check(minimal + "augment: {scale: [0, 1]}\n", at: "x.yaml:6:19", says: "0 is out of range")
    check(minimal + "augment: {crop: [8, 0]}\n", at: "x.yaml:6:21", says: "0 is out of range")
    check(minimal + "u2pl: {capacity: [1, 2, 0]}\n", at: "x.yaml:6:25", says: "u2pl.capacity: 0 is out of range")
  }

  func testYAML() {
    check("data:\n\tkind: shapes\n", at: "x.yaml:2:1", says: "not valid YAML", "a tab")
    check("data: [1\nrun: 2\n", at: "x.yaml:2:4", says: "not valid YAML")
    check("data: 'abc\n", at: "x.yaml:2:1", says: "not valid YAML", "at line 1")
    check("data: {a: 1}\n  b: 2\n", at: "x.yaml:2:3", says: "not valid YAML")
    check("run: *n\n", at: "x.yaml:1:6", says: "undefined alias")
    check("run: {}\n---\nrun: {}\n", at: "x.yaml:2:1", says: "another document")
    check("run: {}\ndata: \"\u{1}\"\n", at: "x.yaml:2:8", says: "control characters are not allowed")
    check(minimal + "run:\n  seed: 1\n  seed: 2\n", at: "x.yaml:7:3", says: "'seed' is given more than once")
    check(minimal + "data: {}\n", at: "x.yaml:1:1", says: "'data' is given more than once")
    check(minimal + "run: {seed: 1, !x seed: 2}\n", at: "x.yaml:6:16", says: "'seed' is given more than once")
    check(String(repeating: "[", count: 5000), at: "x.yaml:1:1", says: "nested too deep")
    check(String(repeating: "- ", count: 5000), at: "x.yaml:1:1999", says: "nested too deep")
    check(String(repeating: "# nothing\n", count: 200_000), at: "x.yaml", says: "this is not a configuration")
  }

  func testAliasesThatMultiplyAreRefused() {
    var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in 1..<12 {
      yaml += "a\(i): &a\(i) [\((0..<10).map { _ in "*a\(i - 1)" }.joined(separator: ", "))]\n"
    }
    check(yaml, at: "x.yaml:1:19", says: "too many values")
  }

  func testEmpty() {
    for yaml in ["", "\n\n", "# a comment\n", "---\n", "~", "null\n"] {
      check(yaml, at: "x.yaml", says: "the file is empty")
    }
    check("[]", at: "x.yaml:1:1", says: "expected sections", "a list of 0")
    check("hello", at: "x.yaml:1:1", says: "expected sections", "the text 'hello'")
    check("{}", at: "x.yaml", says: "data.root is missing")
  }

  func testMissing() {
    check(
      "data: {labeled: a, classes: 3}\n", at: "x.yaml:1:7",
      says: "data.root is missing; write 'root: PATH' below 'data:', or give it as --set data.root=PATH")
    check("data: {root: '', labeled: a, classes: 3}\n", at: "x.yaml:1:14", says: "--set data.root=PATH")
    check("data: {root: /d, classes: 3}\n", at: "x.yaml:1:7", says: "--set data.labeled=splits/labeled.txt")
    check("data: {kind: shapes, classes: 3}\n", at: "x.yaml:1:7", says: "--set data.labeled=24")
    check("run:\n  seed: 1\ndata:\n  kind: shapes\n  labeled: 4\n", at: "x.yaml:4:3", says: "--set data.classes=21")
    check("run: {seed: 1}\n", at: "x.yaml", says: "data.root is missing")
    // What is missing is the file's fault, whatever overrides there are.
    check("run: {seed: 1}\n", "data.shuffle=off", at: "x.yaml", says: "data.root is missing")
    check("data: {labeled: a}\n", "data.shuffle=off", at: "x.yaml:1:7", says: "data.root is missing")
    check(
      "data: {root: /d, labeled: a, classes: 3}\n", at: "x.yaml:1:7",
      says: "data.unlabeled is missing", "u2pl.enabled")
    check("data: {root: /d, labeled: a, classes: 3, unlabeled: null}\n", at: "x.yaml:1:53", says: "data.unlabeled")
  }

  func testClasses() throws {
    let start = "data:\n  kind: shapes\n  labeled: 4\n  unlabeled: 4\n  classes: "
    check(start + "1", at: "x.yaml:5:12", says: "1 is out of range: 2 to 255")
    check(start + "256", at: "x.yaml:5:12", says: "256 is out of range")
    check(start + "[a]", at: "x.yaml:5:12", says: "1 name;", "2 to 255")
    check(start + "[a, b, a]", at: "x.yaml:5:19", says: "'a' is given twice")
    check(start + "[a, [b]]", at: "x.yaml:5:16", says: "the name of a class", "a list of 1")
    check(start + "{a: 1}", at: "x.yaml:5:12", says: "a whole number, a list of names, or path of a file")
    check(
      start + "none.txt", "data.root=/nowhere", at: "x.yaml:5:12", says: "'/nowhere/none.txt'", "there is no such file")
    try withFolder(["twice.txt": "a\n\nb\na\n", "one.txt": "a\n", "bad.txt": "a\u{7}b\nc\n"]) { root in
      check(start + "\(root)/twice.txt", at: "\(root)/twice.txt:4", says: "'a' is given twice")
      check(start + "\(root)/one.txt", at: "x.yaml:5:12", says: "1 name;")
      check(start + "\(root)/bad.txt", at: "\(root)/bad.txt:1", says: "control character")
      check(start + root, at: "x.yaml:5:12", says: "it is a folder")
    }
  }

  func testAugmentationsAndScales() {
    check(minimal + "augment: {rotate: [10, -10]}\n", at: "x.yaml:6:19", says: "no range", "lower angle first")
    check(minimal + "augment: {rotate: 181}\n", at: "x.yaml:6:19", says: "181 is out of range: -180 to 180")
    check(minimal + "augment: {rotate: on}\n", at: "x.yaml:6:19", says: "a number, or a list of two numbers, or off")
    check(minimal + "augment: {blur: 0}\n", at: "x.yaml:6:17", says: "0 is out of range: 1 to 32")
    check(minimal + "augment: {color: [1, 1, 1]}\n", at: "x.yaml:6:18", says: "a list of four numbers", "a list of 3")
    check(minimal + "augment: {color: [1, 1, 1, 0.6]}\n", at: "x.yaml:6:28", says: "0.6 is out of range", "0 to 0.5")
    check(minimal + "augment: {color: [2, 1, 1, 0.5]}\n", at: "x.yaml:6:19", says: "2 is out of range", "0 to 1")
    check(minimal + "evaluate: {scales: []}\n", at: "x.yaml:6:20", says: "1 to 16 factors")
    check(minimal + "evaluate: {scales: [1, 0]}\n", at: "x.yaml:6:24", says: "0 is out of range", "above 0, at most 8")
    check(minimal + "evaluate: {scales: [1, 1.0]}\n", at: "x.yaml:6:24", says: "1.0 is given twice")
    check(minimal + "evaluate: {scales: 1}\n", at: "x.yaml:6:20", says: "a list of numbers", "[0.75, 1, 1.25]")
  }

  func testWhatDoesNotGoTogether() {
    check(minimal + "u2pl: {capacity: [1, 2]}\n", at: "x.yaml:6:18", says: "a list of 2 for 3 classes")
    check(minimal + "loss: {class_weights: [1, 2]}\n", at: "x.yaml:6:23", says: "a list of 2 for 3 classes")
    // The key that was written last is at fault.
    for (list, key) in [
      ("u2pl: {capacity: [1, 2, 3]}", "u2pl.capacity"), ("loss: {class_weights: [1, 2, 0]}", "loss.class_weights"),
    ] {
      check(
        minimal + list + "\n", "data.classes=5", at: "--set data.classes=5",
        says: "5 classes, but \(key) has a list of 3 (x.yaml:6:", "--set \(key)=null")
    }
    check(minimal + "u2pl: {low_rank: 20}\n", at: "x.yaml:6:18", says: "(20) must be below u2pl.high_rank (20)")
    check(minimal + "u2pl: {high_rank: 1}\n", at: "x.yaml:6:19", says: "u2pl.low_rank (1) must be below")
    check(
      minimal + "schedule: {epochs: 2, supervised_epochs: 3}\n", at: "x.yaml:6:42",
      says: "(3) must be at most schedule.epochs (2)")
    check(
      minimal + "schedule: {epochs: 1000000, steps_per_epoch: 1000000}\n", at: "x.yaml:6:46", says: "at most 2147483647"
    )
    check(minimal + "augment: {scale: [0.5, 2], crop: off}\n", at: "x.yaml:6:18", says: "of different sizes")
    check(minimal + "evaluate: {mode: sliding}\naugment: off\n", at: "x.yaml:6:18", says: "needs a size")
    check(minimal, "data.validation=a.txt", at: "--set data.validation=a.txt", says: "expected a count", "'a.txt'")
    check("data: {root: /d, labeled: 4, classes: 3}\n", at: "x.yaml:1:27", says: "path of a list", "the number 4")
    check(
      "data: {root: /d, labeled: a, unlabeled: a, classes: 3, size: 4}\n", at: "x.yaml:1:56",
      says: "data.size is for data.kind shapes only")
  }

  func testFiles() throws {
    func failure(_ path: String) -> String {
      do {
        return try Configuration.load(path: path, overrides: []).yaml()
      } catch {
        return "\(error)"
      }
    }
    XCTAssertTrue(failure("/nowhere/x.yaml").hasPrefix("/nowhere/x.yaml: cannot read this configuration: there is no"))
    try withFolder(["x.yaml": "run: {seed: a}"]) { folder in
      XCTAssertTrue(failure(folder).contains("it is a folder"))
      XCTAssertTrue(failure(folder + "/x.yaml").hasPrefix("\(folder)/x.yaml:1:13: run.seed: expected"))
    }
  }

  func testErrorCarriesItsPlace() {
    XCTAssertThrowsError(try read("run: {seed: a}")) { error in
      let error = error as? ConfigurationError
      XCTAssertEqual(error?.source, "x.yaml")
      XCTAssertEqual(error?.line, 6)
      XCTAssertEqual(error?.column, 13)
      XCTAssertEqual(error?.message.hasPrefix("run.seed: expected"), true)
    }
  }
}
