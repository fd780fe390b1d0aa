import Checkpoint
import Foundation
import HDF5
import TestSupport
import Weights
import XCTest

/// Files are exchanged with h5py in both directions.
final class PythonTests: DirectoryTestCase {
  func testH5pyReadsACheckpoint() throws {
    try CheckpointFile.write(sample(), to: path("a.h5"))
    try python(
      """
      import h5py, numpy as np, sys
      f = h5py.File(sys.argv[1])
      a = f.attrs
      assert type(a["config"]) is str and a["config"] == "run:\\n  name: größe ✓\\n", a["config"]
      assert type(a["none"]) is str and a["none"] == ""
      assert a["step"] == 1200 and a["seed"] == -2**63 and a["best"] == 0.625 and a["format_version"] == 1
      assert len(a["digest"]) == 17
      state = {k: v[()] for k, v in f["student"].items()}
      assert list(state) == ["encoder.conv1.0.weight", "encoder.conv1.1.num_batches_tracked"], list(state)
      w = state["encoder.conv1.0.weight"]
      assert w.dtype == np.float32 and w.shape == (8, 3, 3, 3)
      expected = np.arange(216, dtype=np.float32) * np.float32(0.37) - np.float32(5)
      assert (w.ravel() == expected).all()
      n = state["encoder.conv1.1.num_batches_tracked"]
      assert n == 77 and n.shape == () and n.dtype == np.int64
      assert f["bank/vectors"].shape == (0, 256)
      assert (f["bank/queue/indices"][()] == np.array([[1, -2, 2**31 - 1], [-2**31, 0, 9]], np.int32)).all()
      assert (f["bank/flags"][()] == np.array([0, 1, 127, 128, 255], np.uint8)).all()
      assert (f["metrics/loss"][()] == np.array([1e-300, -np.inf, np.pi])).all()
      assert f["student/encoder.conv1.0.weight"].fletcher32
      """, path("a.h5"))
  }

  func testWeightsOfEveryKind() throws {
    let file = path("w.h5")
    try python(
      """
      import h5py, numpy as np, sys
      f = h5py.File(sys.argv[1], "w")
      g = f.create_group("student")
      g["encoder.conv1.0.weight"] = np.arange(24, dtype="f4").reshape(2, 3, 2, 2)
      g["encoder.conv1.1.num_batches_tracked"] = np.int64(123)
      g["half"] = np.array([0.5, -2, 65504], "f2")
      g["double"] = np.array([[0.1], [-1e30]])
      g["big"] = np.array([1.5, -3], ">f4")
      g["empty"] = np.zeros((0, 3), "f4")
      g.create_dataset("packed", data=np.full((64, 70), 2.5, "f4"), chunks=(9, 11), compression="gzip", shuffle=True)
      g.create_dataset("growing", data=np.arange(5.0), maxshape=(None,), fletcher32=True)
      f.create_group("other/inner")["x"] = [1.0]
      """, file)
    let weights = try WeightsFile.read(file)
    XCTAssertEqual(weights.count, 8)
    XCTAssertEqual(
      weights["encoder.conv1.0.weight"],
      StoredDataset(shape: [2, 3, 2, 2], values: .float32((0..<24).map { Float($0) })))
    XCTAssertEqual(
      weights["encoder.conv1.1.num_batches_tracked"], StoredDataset(shape: [], values: .float32([123])))
    XCTAssertEqual(weights["half"], StoredDataset(shape: [3], values: .float32([0.5, -2, 65504])))
    XCTAssertEqual(weights["double"], StoredDataset(shape: [2, 1], values: .float32([0.1, -1e30])))
    XCTAssertEqual(weights["big"], StoredDataset(shape: [2], values: .float32([1.5, -3])))
    XCTAssertEqual(weights["empty"], StoredDataset(shape: [0, 3], values: .float32([])))
    let packed = StoredDataset(shape: [64, 70], values: .float32([Float](repeating: 2.5, count: 64 * 70)))
    XCTAssertEqual(weights["packed"], packed)
    XCTAssertEqual(weights["growing"], StoredDataset(shape: [5], values: .float32([0, 1, 2, 3, 4])))
    XCTAssertEqual(try WeightsFile.read(file, group: "/other/inner").keys.sorted(), ["x"])
  }

  func testWeightsThatCannotBeUsed() throws {
    let file = path("w.h5")
    try python(
      """
      import h5py, numpy as np, sys
      f = h5py.File(sys.argv[1], "w")
      f["model/text"] = "hello"
      f["nested/encoder/conv"] = [1.0]
      f["null/x"] = h5py.Empty("f4")
      f.create_group("virtual").create_dataset("never", shape=(10**9, 10**6), dtype="f4", chunks=(10, 10))
      """, file)
    func reason(_ group: String) -> String {
      let text = message { _ = try WeightsFile.read(file, group: group) }
      XCTAssertTrue(text.hasPrefix(file), text)
      return text
    }
    XCTAssertTrue(reason("student").contains("no group '/student', '/' holds: model, nested, null, virtual"))
    XCTAssertTrue(reason("model").contains("'/model/text': does not hold numbers"))
    XCTAssertTrue(reason("nested").contains("'/nested/encoder': is not a dataset"))
    XCTAssertTrue(reason("null").contains("'/null/x'"))
    XCTAssertTrue(reason("virtual").contains("only 0 are stored"))
  }

  func testACheckpointIsAWeightsFile() throws {
    try CheckpointFile.write(sample(), to: path("a.h5"))
    let weights = try WeightsFile.read(path("a.h5"), group: "teacher")
    XCTAssertEqual(weights, ["encoder.conv1.0.weight": floats(8, 3, 3, 3)])
  }
}
