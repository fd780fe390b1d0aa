import Files
import Foundation
import TestSupport
import Transforms
import Volumes
import XCTest

/// Damaged files: each is read, or refused in one sentence that names it; memory stays bounded.
///
/// `Scripts/sanitize` drives the C code with the same inputs.
final class DamageTests: VolumesTestCase {
  func testDamagedTIFFs() throws {
    try drive(
      "damaged TIFFs", [".tif"], dictionary: [[0xFF, 0xFF, 0xFF, 0xFF], [0, 1], [1, 0, 3, 0], [0x15, 1, 3, 0]])
  }

  func testDamagedNIfTIs() throws {
    try drive(
      "damaged NIfTIs", [".nii", ".nii.gz"],
      dictionary: [[0xFF, 0x7F], [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0x80, 0x7F]])
  }

  func testDamagedArrays() throws {
    try drive(
      "damaged arrays", [".npy"],
      dictionary: ["9999999999", "(", "'descr': ", "True", "<f8", ", "].map { Array($0.utf8) })
  }

  func testDamagedHDF5() throws { try drive("damaged HDF5", [".h5"], dictionary: [[0xFF, 0xFF, 0xFF, 0xFF]]) }

  private func drive(_ name: String, _ endings: [String], dictionary: [[UInt8]]) throws {
    let folder = try XCTUnwrap(Bundle.module.resourceURL).appendingPathComponent("Files").path
    let files = try names(in: folder).filter { file in endings.contains(where: file.hasSuffix) }
    let samples = try files.map { try bytes("\(folder)/\($0)") }
    XCTAssertFalse(samples.isEmpty)
    let before = peakMemory()
    let fuzz = Fuzz(name)
    try fuzz.run(80, limit: 20) { number, draws in
      let sample = samples[number % samples.count]
      // The undamaged files come first.
      let input = number < samples.count ? sample : Fuzz.mutated(sample, dictionary, using: &draws)
      try fuzz.keep(input)
      let path = path("input")
      try write(input, to: path)
      do {
        let volume = try VolumeFile(path)
        for index in 0..<min(3, volume.header.slices) { _ = try volume.slice(index) }
        let last = try volume.slice(volume.header.slices - 1)
        XCTAssertEqual(last.type, volume.header.type)
        // Of a damaged header a mask need not be writable.
        if number < samples.count { try writeMask(like: volume) } else { try? writeMask(like: volume) }
        return .taken
      } catch let error as FileError {
        XCTAssertTrue(error.description.hasPrefix(path), error.description)
        XCTAssertLessThan(error.description.count, 500)
        XCTAssertGreaterThanOrEqual(number, samples.count, "\(files[number % files.count]): \(error)")
        return .refused
      }
    }
    XCTAssertGreaterThan(fuzz.refused, 5)
    XCTAssertLessThan(peakMemory() - before, 1 << 30)
  }

  private func writeMask(like volume: VolumeFile) throws {
    let header = volume.header
    guard header.slices * header.height * header.width < 1 << 20 else { return }
    let masks = Self.masks(header)
    let out = path("mask\(MaskVolume.ending(header.format))")
    try MaskVolume.write(masks, to: out, like: volume)
    let again = try VolumeFile(out, for: .mask)
    XCTAssertEqual(try (0..<header.slices).map { try again.labels($0) }, masks)
  }
}
