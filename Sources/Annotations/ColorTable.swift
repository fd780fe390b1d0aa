import Dataset
import Files
import Foundation
import Transforms

/// What the colours of masks mean.
///
/// A text with a line a colour, `RED GREEN BLUE NAME` or `#RRGGBB NAME`, in the order of the classes; `ignore` is no class, and several
/// colours may have one name. Lines that begin with `//`, and blank ones, are skipped.
package struct ColorTable {
  package private(set) var classes: [String] = []
  private var values: [UInt32: UInt8] = [:]

  /// - Throws: ``FileError`` naming file and line.
  package init(_ path: String) throws {
    guard let text = FileSystem.bytes(path).map({ String(decoding: $0, as: UTF8.self) }) else {
      throw FileError.system("cannot be read", path)
    }
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let words = line.split { $0 == " " || $0 == "\t" || $0 == "," }.map(String.init)
      guard !words.isEmpty, !words[0].hasPrefix("//") else { continue }
      func problem(_ what: String) -> FileError { FileError(description: "\(path), line \(number + 1): \(what)") }
      let color: UInt32
      let name: String
      if words[0].hasPrefix("#"), let value = UInt32(words[0].dropFirst(), radix: 16), words[0].count == 7 {
        (color, name) = (value, words.dropFirst().joined(separator: " "))
      } else if words.count > 3, let parts = words.prefix(3).map({ UInt8($0) }) as? [UInt8] {
        color = parts.reduce(0) { $0 << 8 | UInt32($1) }
        name = words.dropFirst(3).joined(separator: " ")
      } else {
        throw problem("is no colour and name; write RED GREEN BLUE NAME, or #RRGGBB NAME")
      }
      guard !name.isEmpty else { throw problem("the colour has no name; write it behind the colour") }
      guard values[color] == nil else { throw problem("the colour is there twice; remove one line") }
      if name == "ignore" {
        values[color] = 255
      } else {
        if !classes.contains(name) { classes.append(name) }
        values[color] = UInt8(truncatingIfNeeded: classes.firstIndex(of: name)!)
      }
    }
    guard (2...255).contains(classes.count) else {
      throw FileError(description: "\(path): has \(classes.count) classes; from 2 to 255 can be trained on")
    }
  }

  /// The mask that a picture stands for.
  ///
  /// - Throws: ``FileError`` naming the file, the pixel and its colour, where the table does not have it.
  package func labels(_ path: String) throws -> LabelMap {
    let picture = try ColorMasks.read(path)
    let pixels = picture.colors()
    var labels = [UInt8](repeating: 0, count: picture.height * picture.width)
    for pixel in labels.indices {
      let color = ColorMasks.color(pixels, pixel)
      guard let value = values[color] else {
        throw FileError(
          description: "\(path): the pixel (x \(pixel % picture.width), y \(pixel / picture.width)) has the colour "
            + "\(ColorMasks.text(color)), which is not in the table; add a line for it")
      }
      labels[pixel] = value
    }
    return LabelMap(height: picture.height, width: picture.width, values: labels)
  }
}

/// Masks whose colours are classes.
package enum ColorMasks {
  /// The masks in a folder, at any depth: PNG files.
  package static func files(_ folder: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.lowercased().hasSuffix(".png") && !$0.split(separator: "/").contains { $0.hasPrefix(".") } }.sorted()
  }

  /// Colours of all masks, the most frequent first, with their share of the pixels.
  ///
  /// - Throws: ``FileError`` where there are more than 255, which are no classes.
  package static func found(_ folder: String) throws -> [(color: UInt32, share: Double)] {
    var counts: [UInt32: Int] = [:]
    for file in try files(folder) {
      let picture = try read("\(folder)/\(file)"), pixels = picture.colors()
      for pixel in 0..<picture.height * picture.width { counts[color(pixels, pixel), default: 0] += 1 }
      guard counts.count <= 255 else {
        throw FileError(
          description:
            "\(folder)/\(file): with it the masks have more than 255 colours: they are photographs, or were scaled or "
            + "saved as JPEG, which mixes colours; export them again as PNG in their first size")
      }
    }
    let all = Double(max(1, counts.values.reduce(0, +)))
    return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, Double($0.value) / all) }
  }

  package static func text(_ color: UInt32) -> String { "\(color >> 16) \(color >> 8 & 255) \(color & 255)" }

  static func color(_ pixels: [UInt8], _ pixel: Int) -> UInt32 {
    UInt32(pixels[3 * pixel]) << 16 | UInt32(pixels[3 * pixel + 1]) << 8 | UInt32(pixels[3 * pixel + 2])
  }

  /// - Throws: ``FileError``, also for a JPEG.
  static func read(_ path: String) throws -> Raster {
    do {
      guard try ImageFile.header(path).format == .png else {
        throw FileError(description: "\(path): a mask must be a PNG; JPEG compression alters colours")
      }
      return try ImageFile.readRGB(path)
    } catch let error as DatasetError { throw FileError(description: error.description) }
  }
}
