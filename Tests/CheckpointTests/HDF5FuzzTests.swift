import Checkpoint
import Foundation
import HDF5
import TestSupport
import Weights
import XCTest

/// Damaged HDF5 files that bear no seal, as weights from other programs come: read as written, or refused.
final class HDF5FuzzTests: DirectoryTestCase {
  func testWeights() throws {
    try python(
      """
      import h5py, sys, numpy as np
      for number, version in enumerate(['earliest', 'v110']):
          with h5py.File('%s/good%d.h5' % (sys.argv[1], number), 'w', libver=(version, 'v110')) as f:
              for i in range(4):
                  f['student/layer%d.weight' % i] = np.arange(12 * (i + 1), dtype='f4').reshape(3, -1)
              f.create_dataset('student/chunked', data=np.arange(4000, dtype='f4').reshape(40, 100), chunks=(8, 20), fletcher32=True)
              f.create_dataset('student/packed', data=np.arange(4000, dtype='f8'), chunks=(500,), compression='gzip')
              f['student/count'] = np.int64(7)
              f.attrs['about'] = 'weights'
      """, directory)
    let files = try (0..<2).map { try bytes(path("good\($0).h5")) }
    let whole = try (0..<2).map { try WeightsFile.read(path("good\($0).h5")) }
    let memory = peakMemory()
    let fuzz = Fuzz("HDF5 weights")
    var changed = 0
    try fuzz.run(1000) { number, draws in
      let which = number % files.count
      try write(Fuzz.mutated(files[which], using: &draws), to: path("m.h5"))
      do {
        let weights = try WeightsFile.read(path("m.h5"))
        if weights != whole[which] { changed += 1 }
        for dataset in weights.values {
          XCTAssertEqual(dataset.shape.reduce(1, *), dataset.values.count, "input \(number)")
        }
        return .taken
      } catch let error as CheckpointError {
        XCTAssertTrue(error.description.hasPrefix(path("m.h5")), "input \(number): \(error)")
        return .refused
      }
    }
    print("HDF5 weights: \(changed) taken with other values, where the file has no checksum")
    XCTAssertGreaterThan(fuzz.refused, 200)
    XCTAssertLessThan(peakMemory() - memory, 1 << 28)
  }
}
