import Configuration
import XCTest

/// The published experiments, a file each.
final class PublishedConfigurationTests: XCTestCase {
  private func load(_ name: String) throws -> Configuration {
    let path = repository.appendingPathComponent("configs/\(name).yaml").path
    return try Configuration.load(path: path, overrides: ["data.root=/d"])
  }

  /// A split differs from the file it extends in its lists alone.
  func testSplits() throws {
    let splits = [
      ("voc", "voc-classic", "pascal", [92, 183, 366, 732, 1464]),
      ("voc", "voc-blender", "pascal", [662, 1323, 2646, 5291]),
      ("cityscapes", "cityscapes", "cityscapes", [186, 372, 744, 1488]),
    ]
    for (base, name, folder, numbers) in splits {
      for number in numbers {
        var expected = try load(base)
        expected.data.labeled = .file("splits/\(folder)/\(number)/labeled.txt")
        expected.data.unlabeled = .file("splits/\(folder)/\(number)/unlabeled.txt")
        XCTAssertEqual(try load("\(name)-\(number)"), expected, "\(name)-\(number)")
      }
    }
  }

  func testCamVid() throws {
    let names = (1...11).map { "class\($0)\n" }.joined()
    try withFolder(["classes.txt": names]) { root in
      for number in [23, 46, 92, 184] {
        let path = repository.appendingPathComponent("configs/camvid-\(number).yaml").path
        let data = try Configuration.load(path: path, overrides: ["data.root=\(root)"]).data
        XCTAssertEqual(data.labeled, .file("splits/\(number)/labeled.txt"))
        XCTAssertEqual(data.unlabeled, .file("splits/\(number)/unlabeled.txt"))
        XCTAssertEqual(data.classes, 11)
      }
    }
  }

  func testCityscapesIsThePublishedRecipe() throws {
    let c = try load("cityscapes")
    XCTAssertEqual(c.data.kind, .cityscapes)
    XCTAssertEqual(c.data.classes, 19)
    XCTAssertEqual(c.augment.crop, Configuration.Size(height: 769, width: 769))
    XCTAssertEqual(
      [c.batch.labeled, c.batch.unlabeled, c.schedule.epochs, c.schedule.supervisedEpochs], [16, 16, 200, 0])
    XCTAssertEqual([c.optimizer.learningRate, c.optimizer.headFactor, c.optimizer.weightDecay], [0.01, 1, 5e-4])
    XCTAssertEqual(c.loss.ohem?.threshold, 0.7)
    // 100000 in each of 8 processes.
    XCTAssertEqual(c.loss.ohem?.minKept, 800_000)
    XCTAssertEqual(c.evaluate.mode, .sliding)
  }
}
