import Dataset
import Foundation
import TestSupport
import Trainer
import Volumes
import XCTest

/// Hausdorff distances against medpy, and Dice against its `dc`.
final class SurfaceDistanceTests: DirectoryTestCase {
  /// Balls, boxes and dust, in two and three dimensions, some of them empty.
  func testMedpySaysTheSame() throws {
    let script = """
      import sys, numpy as np
      from medpy.metric.binary import hd95, dc
      rng = np.random.default_rng(5)
      out = open(sys.argv[1], 'wb')
      for i in range(56):
          flat = i % 4 == 3
          shape = rng.integers(4, 24, 3)
          if flat: shape[0] = 1
          spacing = np.ones(3) if i % 3 == 0 else rng.uniform(0.3, 6, 3)
          masks = []
          for j in range(2):
              grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing='ij'), -1)
              center, radius = rng.uniform(0, 1, 3) * shape, rng.uniform(1, 9)
              mask = np.linalg.norm((grid - center) * rng.uniform(0.5, 2, 3), axis=-1) < radius
              if i % 5 == 4: mask |= rng.random(shape) < 0.02
              if i % 28 == 13 + j: mask[:] = False
              masks.append(mask)
          a, b = masks
          a2, b2, s2 = (a[0], b[0], spacing[1:]) if flat else (a, b, spacing)
          distance = hd95(a2, b2, voxelspacing=s2) if a.any() and b.any() else np.nan
          dice = dc(a, b) if a.any() or b.any() else np.nan
          np.concatenate([shape, spacing, [distance, dice], a.ravel(), b.ravel()]).astype('<f8').tofile(out)
      """
    let peer = try PythonPeer(modules: "medpy, scipy")
    let result = try peer.run(["-c", script, path("pairs")])
    XCTAssertEqual(result.status, 0, result.output)
    let numbers = try bytes(path("pairs")).withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map { Double(bitPattern: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)) }
    }
    var at = 0, pairs = 0, empty = 0
    while at < numbers.count {
      let shape = (slices: Int(numbers[at]), rows: Int(numbers[at + 1]), columns: Int(numbers[at + 2]))
      let spacing = (slice: numbers[at + 3], row: numbers[at + 4], column: numbers[at + 5])
      let (distance, dice) = (numbers[at + 6], numbers[at + 7])
      let count = shape.slices * shape.rows * shape.columns
      let a = numbers[at + 8..<at + 8 + count].map { $0 != 0 }
      let b = numbers[at + 8 + count..<at + 8 + 2 * count].map { $0 != 0 }
      at += 8 + 2 * count
      pairs += 1
      let own = SurfaceDistance(shape: shape, spacing: spacing).hausdorff95(a, b)
      if distance.isNaN { empty += 1 }
      XCTAssertEqual(own == nil, distance.isNaN, "pair \(pairs)")
      if let own { XCTAssertEqual(own, distance, accuracy: 1e-6, "pair \(pairs)") }
      var matrix = ConfusionMatrix(classes: 2)
      matrix.add(truth: a.map { $0 ? 1 : 0 }, prediction: b.map { $0 ? 1 : 0 })
      XCTAssertEqual(matrix.dice[1] == nil, dice.isNaN)
      if let own = matrix.dice[1] { XCTAssertEqual(own, dice, accuracy: 1e-6) }
    }
    XCTAssertEqual(pairs, 56)
    XCTAssertGreaterThanOrEqual(empty, 4)
  }

  func testDistancesThatCanBeCheckedInTheHead() {
    let line = SurfaceDistance(shape: (1, 1, 6), spacing: (1, 1, 2))
    // One voxel each, four apart.
    XCTAssertEqual(
      line.hausdorff95([true] + [Bool](repeating: false, count: 5), [false, false, false, false, true, false]), 8)
    XCTAssertEqual(
      line.hausdorff95([true, true, false, false, false, false], [true, true, false, false, false, false]), 0)
    XCTAssertNil(line.hausdorff95([Bool](repeating: false, count: 6), [true, true, true, true, true, true]))
    // Through the slices: 3 mm to the next.
    let stack = SurfaceDistance(shape: (2, 1, 1), spacing: (3, 1, 1))
    XCTAssertEqual(stack.hausdorff95([true, false], [false, true]), 3)
  }

  /// Volumes of one case are stacks of their own, in the order of slices; images of no volume are one stack.
  func testSlicesLieOverEachOtherByTheirNumbers() throws {
    let near = VolumeHeader.Spacing(slice: 2, row: 1, column: 1),
      far = VolumeHeader.Spacing(slice: 3, row: 1, column: 1)
    func stacks(_ places: [(file: String, slice: Int, spacing: VolumeHeader.Spacing)?]) throws -> [CaseSurfaces.Stack] {
      try CaseSurfaces.stacks([("patient", Array(0..<places.count))]) { image in
        places[image].map { VolumePlace(file: $0.file, slice: $0.slice, spacing: $0.spacing) }
      }
    }
    let own = try stacks([("a", 3, near), ("b", 0, far), ("a", 2, near), nil, ("b", 1, far), ("a", 4, near), nil])
    XCTAssertEqual(own.map(\.images), [[2, 0, 5], [1, 4], [3, 6]])
    XCTAssertEqual(own.map { $0.place?.spacing }, [near, far, nil])
    for (places, words) in [
      ([("a", 3, near), ("a", 5, near)], "a: its slices 3 and 5 are in the list, and none between them"),
      ([("a", 3, near), ("a", 4, near), ("a", 3, near)], "a: its slice 3 is in the list twice"),
      ([("a", 3, near), ("a", 4, far)], "a: its slices 3 and 4 differ in spacing"),
    ] {
      XCTAssertThrowsError(try stacks(places)) { XCTAssertTrue("\($0)".contains(words), "\($0)") }
    }
    typealias State = CaseDistances.State
    XCTAssertEqual(State(of: [.distance(2), .absent, .distance(5)]), .distance(3.5))
    XCTAssertEqual(State(of: [.distance(2), .oneEmpty]), .oneEmpty)
    XCTAssertEqual(State(of: [.absent, .absent]), .absent)
  }
}
