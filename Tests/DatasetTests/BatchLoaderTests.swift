import Compute
import Dataset
import Foundation
import Synchronization
import Transforms
import XCTest

/// Images of one colour, whose number is that colour; some cannot be read. Counts what is loaded.
private final class ProbeSet: ImageSet {
  let count: Int
  let broken: Set<Int>
  let loaded = Mutex(0)

  init(count: Int, broken: Set<Int> = []) {
    self.count = count
    self.broken = broken
  }

  func identifier(_ index: Int) -> String { "probe \(index)" }

  func image(_ index: Int) throws -> Raster {
    loaded.withLock { $0 += 1 }
    if broken.contains(index) { throw DatasetError(description: "probe \(index) is broken") }
    return Raster(height: 6, width: 6, pixels: [UInt8](repeating: UInt8(index), count: 108))
  }

  func labels(_ index: Int) throws -> LabelMap {
    LabelMap(height: 6, width: index == 77 ? 5 : 6, values: [UInt8](repeating: 1, count: index == 77 ? 30 : 36))
  }

  func check(_ index: Int, seeing: (LabelMap) -> Void) throws -> (height: Int, width: Int) { (6, 6) }

  /// Returns once `images` have been loaded, and the loader has had time to do what it should not.
  func waitUntilLoaded(_ images: Int) {
    let patience = Date(timeIntervalSinceNow: 60)
    while loaded.withLock({ $0 }) < images, Date() < patience { Thread.sleep(forTimeInterval: 0.001) }
    Thread.sleep(forTimeInterval: 0.05)
  }
}

private let philox = Philox(seed: 3)
private let norm = Normalization(mean: [1, 2, 3], std: [4, 5, 6])
private let strong = Augmentation(
  scale: 0.5...2, flip: true, crop: (32, 32), rotate: -20...20,
  color: ColorJitter(brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.25, probability: 0.8),
  blur: GaussianBlur(radius: 2, probability: 0.5))

private func makeLoader(
  _ labeled: any ImageSet, _ unlabeled: (any ImageSet)?, labeledSlots: Range<Int> = 0..<2,
  unlabeledSlots: Range<Int> = 0..<4, from: Int = 0, steps: Range<Int>, shuffle: Bool = true, depth: Int = 2
) -> BatchLoader {
  BatchLoader(
    labeled: .init(labeled, sampler(labeled, 2, shuffle, .labeledOrder), slots: labeledSlots, augmentation: strong),
    unlabeled: unlabeled.map {
      .init($0, sampler($0, 4, shuffle, .unlabeledOrder), slots: unlabeledSlots, augmentation: strong, firstStep: from)
    },
    steps: steps, normalization: norm, philox: philox, depth: depth)
}

private func sampler(_ set: any ImageSet, _ batch: Int, _ shuffle: Bool, _ stream: RandomStream) -> GlobalSampler {
  GlobalSampler(count: set.count, batch: batch, shuffle: shuffle, philox: philox, stream: stream)
}

private let labeled = ShapesSet(height: 40, width: 48, count: 5, classes: 7, seed: 1, offset: 0)
private let unlabeled = ShapesSet(height: 40, width: 48, count: 7, classes: 7, seed: 1, offset: 5)

final class BatchLoaderTests: XCTestCase {
  /// What the thread delivers is what computing it here gives.
  func testBatchesAreThoseOfDirectComputation() throws {
    let loader = makeLoader(labeled, unlabeled, from: 4, steps: 2..<9)
    let first = sampler(labeled, 2, true, .labeledOrder), second = sampler(unlabeled, 4, true, .unlabeledOrder)
    for step in 2..<9 {
      let batch = try XCTUnwrap(loader.next())
      XCTAssertEqual(batch.step, step)
      XCTAssertEqual(batch.labeled.count, 2)
      XCTAssertEqual(batch.unlabeled.count, step < 4 ? 0 : 4)
      var names: [String] = []
      for (slot, example) in batch.labeled.enumerated() {
        let index = first.index(step: step, slot: slot)
        let (image, labels) = try labeled.labeledImage(index)
        let expected = strong.apply(
          image, labels, normalization: norm, draws: .init(philox, .labeledAugmentation, slot: slot, step: step))
        XCTAssertEqual(example.pixels, expected.pixels)
        XCTAssertEqual(example.labels, expected.labels)
        names.append(labeled.identifier(index))
      }
      for (slot, example) in batch.unlabeled.enumerated() {
        let index = second.index(step: step, slot: slot)
        let expected = strong.apply(
          try unlabeled.image(index), nil, normalization: norm,
          draws: .init(philox, .unlabeledAugmentation, slot: slot, step: step))
        XCTAssertEqual(example.pixels, expected.pixels)
        XCTAssertEqual(example.labels, expected.labels)
        names.append(unlabeled.identifier(index))
      }
      XCTAssertEqual(batch.identifiers, names)
    }
    XCTAssertNil(try loader.next())
    XCTAssertNil(try loader.next())
    loader.stop()
  }

  /// The shares of two ranks are the batch of one.
  func testSharesOfRanksMakeTheWholeBatch() throws {
    let whole = makeLoader(labeled, unlabeled, steps: 0..<5)
    let left = makeLoader(labeled, unlabeled, labeledSlots: 0..<1, unlabeledSlots: 0..<2, steps: 0..<5)
    let right = makeLoader(labeled, unlabeled, labeledSlots: 1..<2, unlabeledSlots: 2..<4, steps: 0..<5)
    for _ in 0..<5 {
      let one = try XCTUnwrap(whole.next()), a = try XCTUnwrap(left.next()), b = try XCTUnwrap(right.next())
      XCTAssertEqual(one.labeled.map(\.pixels), (a.labeled + b.labeled).map(\.pixels))
      XCTAssertEqual(one.unlabeled.map(\.pixels), (a.unlabeled + b.unlabeled).map(\.pixels))
      XCTAssertEqual(one.unlabeled.map(\.labels), (a.unlabeled + b.unlabeled).map(\.labels))
    }
  }

  func testWithoutUnlabeledImages() throws {
    let loader = makeLoader(labeled, nil, steps: 0..<2)
    XCTAssertEqual(try loader.next()?.unlabeled.count, 0)
    XCTAssertEqual(try loader.next()?.labeled.count, 2)
    XCTAssertNil(try loader.next())
  }

  /// Image 5 is first used by step 2; steps 0 and 1 are delivered, and the error is thrown again if asked again.
  func testErrorComesAtItsStep() throws {
    let loader = makeLoader(ProbeSet(count: 10, broken: [5]), nil, steps: 0..<5, shuffle: false)
    XCTAssertEqual(try loader.next()?.step, 0)
    XCTAssertEqual(try loader.next()?.step, 1)
    for _ in 0..<2 { assert(message { try loader.next() as Any }, names: "probe 5 is broken") }
    loader.stop()
    XCTAssertNil(try loader.next())
  }

  func testMaskOfAnotherSizeIsAnError() throws {
    let loader = makeLoader(ProbeSet(count: 100), nil, steps: 38..<40, shuffle: false)
    assert(message { try loader.next() as Any }, names: "probe 77", "6×6", "5×6")
  }

  func testUnlabeledImagesAreNotTouchedBeforeTheirStep() throws {
    let probe = ProbeSet(count: 10)
    let loader = makeLoader(labeled, probe, from: 3, steps: 0..<3)
    while try loader.next() != nil {}
    XCTAssertEqual(probe.loaded.withLock { $0 }, 0)
  }

  /// The queue holds `depth` batches; one more may be in the making.
  func testRunsAheadNoFurtherThanItsDepth() throws {
    let probe = ProbeSet(count: 10)
    let loader = makeLoader(probe, nil, steps: 0..<1000, depth: 3)
    for taken in 0...3 {
      probe.waitUntilLoaded(2 * (taken + 3 + 1))
      XCTAssertEqual(probe.loaded.withLock { $0 }, 2 * (taken + 3 + 1))
      _ = try loader.next()
    }
    loader.stop()
    let loaded = probe.loaded.withLock { $0 }
    XCTAssertNil(try loader.next())
    XCTAssertEqual(probe.loaded.withLock { $0 }, loaded, "nothing is loaded after stop")
  }

  /// Stopping returns whatever the loader is at: just started, at the end, after an error, twice, or dropped unstopped.
  func testStopNeverHangs() throws {
    let ended = expectation(description: "stopped")
    let thread = Thread {
      for round in 0..<50 {
        let broken: Set<Int> = round % 3 == 0 ? [3] : []
        let loader = makeLoader(ProbeSet(count: 10, broken: broken), nil, steps: 0..<round, depth: 1)
        if round % 2 == 0 { _ = try? loader.next() }
        loader.stop()
        if round % 5 == 0 { loader.stop() }
      }
      for _ in 0..<10 { _ = try? makeLoader(ProbeSet(count: 10), nil, steps: 0..<100).next() }
      ended.fulfill()
    }
    thread.start()
    wait(for: [ended], timeout: 60)
  }

  /// The thread that waits for room in a full queue is woken to end.
  func testStopWithAFullQueue() throws {
    let probe = ProbeSet(count: 10)
    let loader = makeLoader(probe, nil, steps: 0..<100, depth: 1)
    probe.waitUntilLoaded(4)
    let ended = expectation(description: "stopped")
    let thread = Thread {
      loader.stop()
      ended.fulfill()
    }
    thread.start()
    wait(for: [ended], timeout: 60)
  }

  /// A call that waits for a batch is woken by a stop from another thread.
  func testStopWakesAWaitingCall() throws {
    let loader = makeLoader(labeled, unlabeled, steps: 0..<1_000_000)
    let ended = expectation(description: "next returned nil")
    let thread = Thread {
      while let _ = try? loader.next() {}
      ended.fulfill()
    }
    thread.start()
    loader.stop()
    wait(for: [ended], timeout: 60)
  }
}
