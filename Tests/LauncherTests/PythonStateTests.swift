import Foundation
import XCTest

/// A checkpoint is an open file: from Python its groups are PyTorch state_dicts with the published names and shapes.
final class PythonStateTests: CommandTestCase {
  /// Names and shapes of the published code for ResNet-18, width 64 and six classes.
  private var published: String {
    get throws {
      let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      let list = tests.appendingPathComponent("NetworkTests/Expected/parameters-18.txt")
      return try String(contentsOf: list, encoding: .utf8)
    }
  }

  func testStateDictsOfACheckpoint() throws {
    try write("published.txt", try published)
    try train(
      "run",
      [
        "model.encoder_width=1", "model.width=64", "model.features=64", "data.classes=6", "schedule.epochs=1",
        "schedule.supervised_epochs=0",
      ], ranks: 2)
    try python(
      """
      import ast, h5py, numpy as np, sys
      f = h5py.File(sys.argv[1])
      published = {}
      for line in open(sys.argv[2]):
          name, shape = line.split(" ", 1)
          # A scalar would come out of h5py as a number, which torch.from_numpy refuses.
          published[name] = tuple(ast.literal_eval(shape)) or (1,)
      assert len(published) > 200
      for group in ["student", "teacher"]:
          state = {k: v[()] for k, v in f[group].items()}
          for name, value in state.items():
              assert type(value) is np.ndarray, (group, name, type(value))
              assert value.flags.writeable and value.dtype.isnative
              assert value.dtype == (np.int64 if name.endswith("num_batches_tracked") else np.float32), name
              assert np.isfinite(value).all(), name
          shapes = {k: v.shape for k, v in state.items()}
          assert shapes == published, set(shapes.items()) ^ set(published.items())
      for name, value in f["optimizer/momentum"].items():
          assert value.shape == published[name] and np.abs(value[()]).sum() > 0, name
      # Both networks have seen two steps of training; the teacher is a copy that has begun to go its own way.
      assert f["student/encoder.bn1.num_batches_tracked"][0] == 2
      assert f["teacher/encoder.bn1.num_batches_tracked"][0] == 2
      name = "encoder.layer3.0.conv2.weight"
      assert (f["student"][name][()] != f["teacher"][name][()]).any()
      """, checkpoint("run", step: 2), path("published.txt"))
  }

  func testAttributes() throws {
    try train("run", ["run.seed=18446744073709551615", "checkpoint.every_steps=4"])
    try python(
      """
      import h5py, sys
      a = h5py.File(sys.argv[1]).attrs
      assert a["format_version"] == 1 and a["step"] == 4 and a["epoch"] == 2 and a["semi_supervised_steps"] == 2
      # Attributes are signed; the seed keeps its 64 bits.
      assert int(a["seed"]) % 2**64 == 2**64 - 1, a["seed"]
      assert type(a["version"]) is str and a["version"]
      assert type(a["config"]) is str and "\\nmodel:\\n" in a["config"] and "encoder: resnet18" in a["config"]
      open(sys.argv[2], "w").write(a["config"])
      """, checkpoint("run", step: 4), path("config.yaml"))
    // The configuration is complete: it gives the same run again.
    let again = try run(training("again", config: "config.yaml"))
    XCTAssertEqual(again.status, 0, again.summary)
    try assertSame("run", "again", lastStep: 6)
    XCTAssertEqual(
      try String(contentsOfFile: path("config.yaml"), encoding: .utf8),
      try String(contentsOfFile: path("run/config.yaml"), encoding: .utf8))
  }
}
