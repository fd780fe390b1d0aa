import Dataset
import Foundation
import TestSupport
import XCTest

/// Files of another kind under an image's name: the message says what they are, and what to type.
final class OtherFileTests: XCTestCase {
  private func bytes(_ parts: Any...) -> [UInt8] {
    parts.flatMap {
      ($0 as? String).map { Array($0.utf8) } ?? ($0 as? [UInt8]) ?? [UInt8](repeating: 0, count: $0 as? Int ?? 0)
    }
  }

  func testKinds() throws {
    let scratch = try Scratch(self)
    let kinds: [([UInt8], String, String)] = [
      (bytes("RIFF", [9, 0, 0, 0] as [UInt8], "WEBPVP8 ", 40), "a WebP image", "dwebp"),
      (bytes([0, 0, 0, 24] as [UInt8], "ftypheic", 40), "a HEIC image", "heif-convert"),
      (bytes([0, 0, 0, 24] as [UInt8], "ftypmif1", 40), "a HEIC image", "heif-convert"),
      (bytes([0, 0, 0, 28] as [UInt8], "ftypavif", 40), "an AVIF image", "heif-convert"),
      (bytes([0, 0, 0, 28] as [UInt8], "ftypisom", 40), "a film", "ffmpeg"),
      (bytes("II", [42, 0, 8, 0, 0, 0] as [UInt8], 40), "a TIFF image", "convert"),
      (bytes("MM", [0, 42, 0, 0, 0, 8] as [UInt8], 40), "a TIFF image", "convert"),
      (bytes("II", [43, 0, 8, 0, 0, 0] as [UInt8], 40), "a TIFF image", "convert"),
      (bytes("BM", [70, 0, 0, 0] as [UInt8], 4, [54, 0, 0, 0, 40, 0, 0, 0] as [UInt8], 40), "a BMP image", "convert"),
      (bytes("GIF89a", 40), "a GIF image", "convert"),
      (bytes([0, 0, 0, 12] as [UInt8], "jP  ", [13, 10, 0x87, 10] as [UInt8]), "a JPEG 2000 image", "opj_decompress"),
      (bytes([0xFF, 0x4F, 0xFF, 0x51] as [UInt8], 40), "a JPEG 2000 image", "opj_decompress"),
      (bytes([0xFF, 0x0A] as [UInt8], 40), "a JPEG XL image", "djxl"),
      (bytes("8BPS", [0, 1] as [UInt8], 40), "a Photoshop document", "convert"),
      (bytes(128, "DICM", [2, 0] as [UInt8]), "a DICOM image", "dcmj2pnm"),
      (bytes([92, 1, 0, 0] as [UInt8], 340, "n+1\0", 40), "a NIfTI volume", "end in .nii"),
      (bytes([0x1F, 0x8B, 8, 0] as [UInt8], 40), "a gzip archive", "gunzip"),
      (bytes("PK", [3, 4] as [UInt8], 40), "a zip archive", "unzip"),
      (bytes([0x93] as [UInt8], "NUMPY", 40), "a NumPy array", "end in .npy"),
      (bytes([0x89] as [UInt8], "HDF\r\n", 40), "an HDF5 file", "data.kind: hdf5"),
      (bytes("P6\n20 14\n255\n", 840), "a PNM image", "convert"),
      (bytes("%PDF-1.4\n", 40), "a PDF document", "pdftoppm"),
      (
        bytes([0, 5, 0x16, 7, 0, 2, 0, 0] as [UInt8], "Mac OS X", 40), "a companion file of macOS",
        "take it out of the list"
      ),
      (
        bytes("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12345\n"), "the pointer of Git LFS",
        "git lfs pull"
      ),
      (bytes("/annex/objects/SHA256E-s12--ab.jpg\n"), "the pointer of git-annex", "git annex get"),
      (bytes("outs:\n- md5: a304\n  path: a.jpg\n"), "the pointer of DVC", "dvc pull"),
      (bytes("\r\n<!DOCTYPE html>\n<html><head><title>404"), "a web page", "download the image again"),
      (bytes([0xEF, 0xBB, 0xBF] as [UInt8], "<HTML>no"), "a web page", "download the image again"),
      (
        bytes("<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>"), "an XML text",
        "download the image again"
      ),
      (bytes("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "an SVG drawing", "rsvg-convert"),
      (bytes("{\"error\": \"not found\"}"), "a text that begins with '{\"error\"", "correct the list"),
      (bytes(4096), "nothing but zeros", "copy or download it again"),
      (bytes("HTTP/1.1 200 OK\r\n\r\n", JPEG.grey), "a JPEG behind 19 other bytes", "tail -c +20 "),
      ([], "the file is empty", "again"),
    ]
    for (file, kind, remedy) in kinds {
      let path = try scratch.write("my images/a 'b'.jpg", file)
      for text in [message { try ImageFile.readRGB(path) }, message { try ImageFile.readLabels(path) }] {
        assert(text, names: path, kind, remedy)
        if remedy == "convert" || remedy == "dwebp" {
          // Words for a shell, and a new name that a list still finds, once.
          assert(text, names: "mv '\(scratch.path)/my images/a '\\''b'\\''.jpg' ", "/my images/a '\\''b'\\''.png'")
        }
      }
    }
    // Nothing to be told from these.
    assert(
      message { try ImageFile.readRGB(scratch.write("x.jpg", [7, 1, 2, 3, 200, 9])) }, names: "x.jpg",
      "neither a JPEG nor a PNG", "convert it")
  }

  func testALinkThatLeadsNowhere() throws {
    let scratch = try Scratch(self)
    try FileManager.default.createSymbolicLink(atPath: scratch.path + "/a.jpg", withDestinationPath: "/gone/b.jpg")
    assert(
      message { try ImageFile.readRGB(scratch.path + "/a.jpg") },
      names: "a.jpg: is a link that leads nowhere: /gone/b.jpg")
    try FileManager.default.createSymbolicLink(atPath: scratch.path + "/c.jpg", withDestinationPath: "c.jpg")
    assert(message { try ImageFile.readRGB(scratch.path + "/c.jpg") }, names: "c.jpg: is a link that leads in a circle")
  }
}
