import Foundation
import XCTest

/// `Scripts/bundle`: one folder that can be moved, and finds its libraries in itself.
final class BundleTests: CommandTestCase {
  func testABundleRunsFromAnyPath() throws {
    let tools = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":").map {
      "\($0)/patchelf"
    }
    guard tools.contains(where: FileManager.default.isExecutableFile) else {
      throw XCTSkip("SKIPPED: patchelf is missing (apt-get install patchelf)")
    }
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
      .standardizedFileURL.path
    let made = try Command(
      line: ["bash", "\(root)/Scripts/bundle", path("made")], in: directory,
      environment: ["U2PL": try Command.program()]
    ).wait(limit: 120)
    XCTAssertEqual(made.status, 0, made.summary)
    let moved = path("another place")
    try FileManager.default.moveItem(atPath: path("made"), toPath: moved)
    let version = try Command(line: ["\(moved)/bin/u2pl", "--version"], in: directory, environment: [:])
      .wait(limit: patience)
    XCTAssertEqual(version.status, 0, version.summary)
    // Libraries are the bundle's; MPI, the C library and what comes with MPI are the system's.
    let loaded = try Command(line: ["ldd", "\(moved)/bin/u2pl"], in: directory, environment: [:]).wait(limit: patience)
    for (name, isOwn) in [
      ("libdnnl.so", true), ("libznz.so", true), ("libswiftCore.so", true), ("libjpeg.so", true), ("libmpi", false),
      ("libc.so", false),
      ("libstdc++.so", false),
    ] {
      let line = loaded.output.split(separator: "\n").first { $0.contains("\t\(name)") } ?? ""
      XCTAssertFalse(line.isEmpty, "ldd shows no \(name): \(loaded.output)")
      XCTAssertEqual(line.contains("/another place/bin/../lib/u2pl/"), isOwn, "\(name): \(line)")
    }
    let libraries = try FileManager.default.contentsOfDirectory(atPath: "\(moved)/lib/u2pl")
    XCTAssertTrue(libraries.contains("libopenblas.so.0"), "\(libraries)")
    XCTAssertFalse(libraries.contains { $0.hasPrefix("libmpi") }, "\(libraries)")
    let manual = try String(contentsOfFile: "\(moved)/share/man/man1/u2pl.1", encoding: .utf8)
    for command in ["train", "launch", "predict", "weights export"] {
      XCTAssertTrue(manual.contains("\n.SS \(command)\n"), command)
    }
    let completion = try String(
      contentsOfFile: "\(moved)/share/bash-completion/completions/u2pl", encoding: .utf8)
    XCTAssertTrue(completion.contains("--hostfile"), "\(completion.count) characters")
    XCTAssertTrue(FileManager.default.fileExists(atPath: "\(moved)/share/u2pl/configs/voc.yaml"))

    // A folder that holds something else is left as it is.
    try write("precious/file", "x")
    let refused = try Command(
      line: ["bash", "\(root)/Scripts/bundle", path("precious")], in: directory,
      environment: ["U2PL": try Command.program()]
    ).wait(limit: patience)
    XCTAssertEqual(refused.status, 1, refused.summary)
    XCTAssertTrue(refused.errors.contains("is there and is no bundle"), refused.summary)
    XCTAssertTrue(FileManager.default.fileExists(atPath: path("precious/file")))
  }
}
