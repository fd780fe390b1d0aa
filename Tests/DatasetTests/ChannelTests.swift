import Dataset
import Foundation
import HDF5
import TestSupport
import Transforms
import XCTest

/// Images that are no 8-bit colour: read with the channels and the type that they have.
final class ChannelTests: XCTestCase {
  private let height = 5, width = 7

  private func values(_ channels: Int, wide: Bool) -> Raster.Values {
    let numbers = (0..<height * width * channels).map { ($0 * 7919 + 300) % (wide ? 65_536 : 256) }
    return wide ? .uint16(numbers.map(UInt16.init)) : .uint8(numbers.map(UInt8.init))
  }

  func testPNGsOfAllChannelsAndDepths() throws {
    let scratch = try Scratch(self)
    let path = scratch.path + "/a.png"
    for wide in [false, true] {
      for channels in 1...4 {
        let image = Raster(height: height, width: width, channels: channels, values: values(channels, wide: wide))
        try ImageFile.writePNG(image, to: path)
        XCTAssertEqual(try ImageFile.header(path).channels, channels)
        XCTAssertEqual(try ImageFile.header(path).bits, wide ? 16 : 8)
        let (read, facts) = try ImageFile.read(path, ImageForm(channels: channels, isWhole: true))
        XCTAssertEqual(read, image, "\(channels) channels, 16 bits: \(wide)")
        XCTAssertEqual(facts.channels, channels)
        XCTAssertNil(facts.depth)
        // As 8-bit colour.
        XCTAssertEqual(try ImageFile.readRGB(path).type, .uint8)
        XCTAssertEqual(try ImageFile.readRGB(path).channels, 3)
      }
    }
  }

  func testAlphaIsDroppedAndGreyTripledOnlyWhereTheFormSaysSo() throws {
    let scratch = try Scratch(self)
    let path = scratch.path + "/a.png"
    for (stored, wanted) in [(2, 1), (4, 3), (1, 3), (2, 3)] {
      let image = Raster(height: height, width: width, channels: stored, values: values(stored, wide: true))
      try ImageFile.writePNG(image, to: path)
      guard case .uint16(let all) = image.values else { return XCTFail("not wide") }
      let expected = (0..<height * width).flatMap { p in
        (0..<wanted).map { all[p * stored + (stored < 3 ? 0 : $0)] }
      }
      let read = try ImageFile.read(path, ImageForm(channels: wanted, isWhole: true)).image
      XCTAssertEqual(read.values, .uint16(expected), "\(stored) to \(wanted)")
    }
    for (stored, wanted) in [(3, 1), (1, 2), (3, 4), (4, 13), (4, 1)] {
      let image = Raster(height: height, width: width, channels: stored, values: values(stored, wide: false))
      try ImageFile.writePNG(image, to: path)
      assert(
        message { try ImageFile.read(path, ImageForm(channels: wanted, isWhole: true)) }, names: "a.png",
        "has \(stored) ",
        "data.channels is \(wanted)", "set data.channels to \(stored)")
    }
  }

  func testAGreyJPEGIsOneChannel() throws {
    let scratch = try Scratch(self)
    let path = try scratch.write("g.jpg", JPEG.grey)
    let color = try ImageFile.readRGB(path).colors()
    let grey = try ImageFile.read(path, ImageForm(channels: 1, isWhole: true)).image
    XCTAssertEqual(grey.channels, 1)
    XCTAssertEqual(grey.bytes, stride(from: 0, to: color.count, by: 3).map { color[$0] })
    XCTAssertEqual(grey.colors(), color)
    try scratch.write("c.jpg", JPEG.color)
    assert(
      message { try ImageFile.read(scratch.path + "/c.jpg", ImageForm(channels: 1, isWhole: true)) },
      names: "c.jpg", "has 3 channels, and data.channels is 1")
  }

  /// Packed arrays of every type, channels last and first.
  func testArrays() throws {
    let count = height * width
    for channels in [1, 2, 4, 13] {
      let whole = (0..<count * channels).map { ($0 * 5003 + 11) % 65_536 }
      let cases: [(DatasetValues, Raster.Values)] = [
        (.uint8(whole.map { UInt8($0 % 256) }), .uint8(whole.map { UInt8($0 % 256) })),
        (.uint16(whole.map { UInt16($0) }), .uint16(whole.map { UInt16($0) })),
        (.int16(whole.map { Int16($0 - 32_768) }), .int16(whole.map { Int16($0 - 32_768) })),
        (.float32(whole.map { Float($0) * 0.37 - 9 }), .float32(whole.map { Float($0) * 0.37 - 9 })),
        (.float64(whole.map { Double($0) * 0.5 - 9 }), .float32(whole.map { Float($0) * 0.5 - 9 })),
        (.int32(whole.map { Int32($0 * 3) }), .float32(whole.map { Float($0 * 3) })),
      ]
      for (stored, expected) in cases {
        let image = Raster(height: height, width: width, channels: channels, values: expected)
        let last = StoredDataset(shape: [height, width, channels], values: stored)
        XCTAssertEqual(try read(last, channels: channels), image, "\(channels) channels, \(stored.type)")
      }
      let first = (0..<count * channels).map { UInt16(whole[$0 % count * channels + $0 / count]) }
      XCTAssertEqual(
        try read(StoredDataset(shape: [channels, height, width], values: .uint16(first)), channels: channels),
        Raster(height: height, width: width, channels: channels, values: .uint16(whole.map { UInt16($0) })))
    }
  }

  func testArraysThatAreRefused() throws {
    var values = [Float](repeating: 0.5, count: height * width * 2)
    values[2 * (3 * width + 4) + 1] = .nan
    assert(
      message { try read(StoredDataset(shape: [height, width, 2], values: .float32(values)), channels: 2) },
      names: "images/x", "pixel (x 4, y 3), channel 1, is nan", "no finite number")
    assert(
      message { try read(StoredDataset(shape: [height, width, 2], values: .float32(values)), channels: 4) },
      names: "float32 [5, 7, 2]", "neither 5 nor 2 is data.channels, 4", "[height, width, 4]")
    let large = (0..<height * width).map { Int64($0) + 1 << 24 }
    assert(
      message { try read(StoredDataset(shape: [height, width], values: .int64(large)), channels: 1) },
      names: "16777217", "pixel (x 1, y 0)", "2^24")
  }

  private func read(_ dataset: StoredDataset, channels: Int) throws -> Raster {
    let scratch = try Scratch(self)
    let path = scratch.path + "/f.h5"
    try HDF5.run {
      var file = try HDF5Writer(new: path, Place(file: path, advice: ""))
      try file.write(dataset, at: "images/x")
      try file.close()
    }
    try scratch.write("list.txt", "x\n".utf8)
    let set = try PackedSet(
      PackedFile(path), list: "list.txt", classes: 2, form: ImageForm(channels: channels, isWhole: true), labeled: false
    )
    try set.requireComplete()
    let image = try set.image(0)
    XCTAssertEqual(try set.check(0).height, image.height)
    return image
  }
}
