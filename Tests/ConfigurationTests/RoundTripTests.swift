import Configuration
import Foundation
import XCTest

/// A resolved configuration, written and read again, is the same; and the files of `configs/` are good.
final class RoundTripTests: XCTestCase {
  private func checkRoundTrip(_ value: Configuration, file: StaticString = #filePath, line: UInt = #line) throws {
    let text = value.yaml()
    let again = try Configuration(yaml: text, source: "again.yaml")
    XCTAssertEqual(again, value, file: file, line: line)
    XCTAssertEqual(again.yaml(), text, file: file, line: line)
    // Key by key it says the same.
    let settings = value.settings
    XCTAssertEqual(Set(settings.map(\.key)).count, settings.count, file: file, line: line)
    let byKey = try Configuration(
      yaml: "data: {kind: shapes}", source: "again.yaml", overrides: settings.map { "\($0.key)=\($0.value)" })
    XCTAssertEqual(byKey, value, file: file, line: line)
  }

  func testEveryKeyAwayFromItsDefault() throws {
    let value = try Configuration(
      yaml: """
        run: {seed: 18446744073709551615, directory: "null"}
        data: {kind: shapes, root: "a \\"b\\" ü", labeled: 1, unlabeled: 2, validation: 3, classes: [a, "off", "1", "~"],
          palette: [[1, 2, 3], [0, 0, 0], [255, 0, 7], [9, 9, 9]], mean: [0, -1.5, 1e-7], std: [0.1, 1e3, 1], shuffle: off, size: [8, 9], seed: 7, group: 'p[0-9]+',
          range: {percentiles: [1, 99], found: [1, 99, -3.5, 1e6]}, normalize: image, balance: 0.25, verify: off}
        batch: {labeled: 1, unlabeled: 2}
        augment: {scale: [0.1, 0.30000000000000004], flip: off, crop: [1, 2], rotate: [-7.5, 30], blur: 3,
          blur_probability: 0.25, color: [0.1, 0.2, 0.3, 0.4], color_probability: 0.75, mix: off, mix_probability: 0.123,
          mix_draw: image, cutmix_area: [0.1, 0.30000000000000004], strong: {color: [0.1, 0.2, 0.3, 0.4],
          color_probability: 0.7, grey_probability: 0.2, blur: 4, blur_probability: 0.3, gamma: [0.9, 1.25], gamma_probability: 0.1,
          noise: 3, noise_probability: 0.25}, elastic: [3, 16], elastic_probability: 0.125, vertical_flip: on, quarter_turns: on,
          noise: [0.5, 4], noise_probability: 0.75, gamma: 2, gamma_probability: 0.625}
        model: {encoder: 34, encoder_width: 0.3, stem: classic, output_stride: 16, multi_grid: off, width: 8, features: 16,
          zero_init_residual: off, dilations: [1, 2, 3], dropout: 0, auxiliary: on, weights: "x: #y", strict: off}
        optimizer: {kind: adamw, learning_rate: 5e-324, head_factor: 3, momentum: 0, second_momentum: 0.5, weight_decay: 0,
          schedule: cosine, power: 2, warmup_steps: 9, clip_norm: 2.5}
        schedule: {epochs: 5, steps_per_epoch: 6, supervised_epochs: 0}
        u2pl: {enabled: off, alpha0: 0.1, alpha_end: 0.07, delta_p: 0.4, low_rank: 0, high_rank: 2, anchors: 1, negatives: 2,
          temperature: 0.7, capacity: [4, 3, 2, 1], enqueue_per_step: null, lambda_c: 1, threshold: class, weight: evidence, ema_decay: 0.9}
        loss: {ohem: {threshold: 0.6, min_kept: 5}, class_weights: [1, 2.5, 0, 4], auxiliary_weight: 0.3, dice: 0.6}
        teacher: {buffers: ema, start: beginning}
        semantics: {rectangle: published, padding: published, percentiles: published, unreliable: published,
          anchors: published, labeled_negatives: published, unlabeled_negatives: published, new_keys: published,
          anchor_class: published, contrast_mean: published, supervised_teacher: published, teacher_copy: published,
          anchor_ema: on}
        checkpoint: {every_steps: 4, keep: 1}
        integrity: {every_steps: 7}
        watchdog: {seconds: 8}
        evaluate: {every_epochs: 3, mode: center_crop, scales: [0.5, 1.75], flip: on}
        compute: {threads: 3}
        logs: {tensorboard: on, openmetrics: off}
        report: off
        reduction: mpi
        """, source: "x.yaml")
    try checkRoundTrip(value)
    // The text above must move every documented key, or the round trip would not show that it is written.
    let standard = Set(settings(try read("", "data.classes=[a, 'b', c, d]")))
    for setting in settings(value)
    where !["kind:", "label_map:", "data.channels:"].contains(where: setting.contains) {
      // label_map and channels are not for generated images; DataKeysTests has them.
      XCTAssertFalse(standard.contains(setting), "left at its default: \(setting)")
    }
  }

  /// Settings of the form `section.key: value`.
  private func settings(_ value: Configuration) -> [String] {
    keyed(value.yaml()).map { "\($0.path): \($0.value)" }
  }

  func testDefaults() throws {
    try checkRoundTrip(read())
    try checkRoundTrip(read("augment: off\nloss: {ohem: on}"))
    try checkRoundTrip(read("", "data.classes=2"))
    let names = [
      "nan", "inf", "0x1", "23", "Yes", "null", "a b", "-", "/a", "ü/ß", "a#b", "a: b", "'", "\\", "\u{2028}",
    ]
    for name in names {
      let quoted = "\"" + name.replacing("\\", with: "\\\\") + "\""
      let value = try Configuration(
        yaml: "data: {root: \(quoted), labeled: \(quoted), unlabeled: \(quoted), classes: 3}", source: "x.yaml")
      XCTAssertEqual(value.data.labeled, .file(name))
      XCTAssertEqual(value.data.root, name)
      try checkRoundTrip(value)
    }
  }

  func testNamesFromAFileAreWrittenOut() throws {
    let value = try withFolder(["classes.txt": "\u{FEFF}sky\nroad: wet\n[x]\n"]) {
      try read("", "data.root=\($0)", "data.classes=classes.txt")
    }
    XCTAssertEqual(value.data.classes, 3)
    // The file is gone now.
    try checkRoundTrip(value)
  }

  func testOrderIsStable() throws {
    let a = try read("run: {seed: 1}\nbatch: {labeled: 2, unlabeled: 3}")
    let b = try read("batch: {unlabeled: 3, labeled: 2}\nrun: {seed: 1}")
    XCTAssertEqual(a.yaml(), b.yaml())
    XCTAssertTrue(a.yaml().hasPrefix("run:\n  seed: 1\n  directory: null\ndata:\n  kind: shapes\n"))
  }

  func testTheFilesOfTheProject() throws {
    let folder = repository.appendingPathComponent("configs")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
    XCTAssertGreaterThanOrEqual(files.count, 3)
    let names = (1...11).map { "class\($0)\n" }.joined()
    try withFolder(["classes.txt": names]) { root in
      for file in files {
        let path = folder.appendingPathComponent(file).path
        // A recipe is there to be extended by files that say which data it is for.
        let data = file.hasPrefix("recipe") ? ["data.labeled=a", "data.unlabeled=b", "data.classes=classes.txt"] : []
        let value = try Configuration.load(path: path, overrides: ["data.root=\(root)"] + data)
        try checkRoundTrip(value)
        let twin = try Configuration.load(path: path, overrides: ["data.root=\(root)", "u2pl.enabled=off"] + data)
        XCTAssertFalse(twin.u2pl.enabled)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        XCTAssertTrue(text.hasPrefix("# "), "\(file) opens with how it is used")
      }
    }
    for file in ["camvid.yaml", "cityscapes-186.yaml", "voc.yaml"] {
      let path = folder.appendingPathComponent(file).path
      XCTAssertThrowsError(try Configuration.load(path: path, overrides: [])) { error in
        XCTAssertTrue("\(error)".contains("--set data.root=PATH"), "\(error)")
      }
    }
  }

  func testVOCIsThePublishedRecipe() throws {
    let path = repository.appendingPathComponent("configs/voc.yaml").path
    var value = try Configuration.load(path: path, overrides: ["data.root=/d"])
    XCTAssertEqual(value.data.classNames?.count, 21)
    let lists =
      "labeled: splits/pascal/1464/labeled.txt, unlabeled: splits/pascal/1464/unlabeled.txt, "
      + "validation: splits/pascal/val.txt"
    let defaults = try Configuration(yaml: "data: {root: /d, classes: 21, \(lists)}", source: "x.yaml")
    value.data.classNames = nil
    XCTAssertEqual(value, defaults)
  }
}
