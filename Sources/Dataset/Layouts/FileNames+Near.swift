import Foundation

extension FileNames {
  /// The end of a message on a file that is not there: what is nearly it, or "".
  mutating func nearlyIt(_ path: String) -> String {
    let (folder, name) = FileNames.split(path)
    guard var entry = listed(folder) else { return missingFolder(folder) }
    if entry.folded == nil {
      entry.folded = Dictionary(grouping: entry.names.values.joined(), by: FileNames.folded)
      keep(entry, as: folder)
    }
    let wanted = FileNames.folded(name)
    let alike = wanted.isEmpty ? [] : entry.folded?[wanted] ?? []
    if let near = alike.filter({ !$0.hasPrefix(".") }).min() ?? alike.min() {
      let hidden = near.hasPrefix(".") ? ", a hidden file, which is no image" : ""
      return "; there is \(FileNames.join(entry.path, near))\(hidden)"
    }
    if let near = entry.foreign.first(where: {
      FileNames.folded(String(decoding: $0.map(UInt16.init), as: UTF16.self)) == wanted
    }) {
      let place = FileNames.join(entry.path, FolderListing.escaped(near))
      return "; there is \(place), whose name is not UTF-8: \(FolderListing.renaming(root))"
    }
    // Such as a_mask.png for a.png. Whole folders are looked through for the first misses only.
    searches += 1
    let stem = FileNames.stem(name)
    guard searches <= 20, !stem.isEmpty else { return "" }
    let longer = entry.names.keys.filter { other in
      other.hasPrefix(stem) && other.dropFirst(stem.count).first.map { "_-. ".contains($0) } ?? false
    }
    return longer.count == 1 ? "; there is \(FileNames.join(entry.path, longer[0]))" : ""
  }

  private mutating func missingFolder(_ folder: String) -> String {
    let (above, name) = FileNames.split(folder)
    guard let parent = listed(above) else { return missingFolder(above) }
    let near = parent.names.keys.filter { FileNames.folded($0) == FileNames.folded(name) }.min()
    let instead = near.map { ", but \(FileNames.join(parent.path, $0))" } ?? ""
    return "; there is no folder \(folder)\(instead)"
  }

  /// What names have in common that are easily taken for one another: letters and digits, without case, marks and
  /// ending.
  static func folded(_ name: String) -> String {
    var stem = name[...]
    if let dot = name.lastIndex(of: "."), dot > name.startIndex, name.distance(from: dot, to: name.endIndex) <= 5 {
      stem = name[..<dot]
    }
    let plain = String(stem).decomposedStringWithCompatibilityMapping.lowercased()
    return String(
      String.UnicodeScalarView(
        plain.unicodeScalars.filter { $0.properties.isAlphabetic || $0.properties.numericType != nil }))
  }
}
