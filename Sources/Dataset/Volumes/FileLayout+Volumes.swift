import Volumes

// Lines that name volumes.

extension FileLayout {
  /// The items of a line: one image, one slice of a volume (`NAME#14`), or all slices of a volume that is named without a number.
  ///
  /// The mask of a volume is a volume of as many slices. Where an HDF5 file has no mask beside it, its mask is in it,
  /// as another dataset. The slices, rows and columns of two NIfTI files run alike.
  /// - Throws: ``DatasetError`` that names what is missing or does not fit, but not the line.
  func items(
    of line: ImageList.Line, labeled: Bool, root: String, _ files: inout FileNames
  ) throws -> [FileEntry] {
    func found(_ line: ImageList.Line) throws -> FileEntry {
      do { return try meaning(of: line, labeled: labeled, &files) } catch let problem as DatasetError {
        // Image and mask in one file.
        guard labeled, let entry = try? meaning(of: line, labeled: false, &files),
          ["h5", "hdf5"].contains(FileNames.ending(entry.image)), ImagePlace.isVolume("\(root)/\(entry.image)")
        else { throw problem }
        return FileEntry(identifier: entry.identifier, image: entry.image, mask: entry.image)
      }
    }
    let entry: FileEntry
    let slices: [Int]?
    do {
      entry = try found(line)
      slices = nil
    } catch {
      guard let (plain, numbers) = SliceName.split(line), let whole = try? found(plain) else { throw error }
      entry = whole
      slices = numbers
    }
    guard ImagePlace.isVolume("\(root)/\(entry.image)") else {
      guard let slice = slices?.first else { return [entry] }
      throw DatasetError(
        description: "\(root)/\(entry.image): is one image, and has no slice \(slice); leave #\(slice) out")
    }
    return try self.slices(entry, slices, root)
  }

  private func slices(_ entry: FileEntry, _ wanted: [Int]?, _ root: String) throws -> [FileEntry] {
    let image = try OpenVolumes.open("\(root)/\(entry.image)", .image)
    let count = image.header.slices
    var maskCount = count
    if let mask = entry.mask {
      let path = "\(root)/\(mask)"
      let volume = ImagePlace.isVolume(path) ? try OpenVolumes.open(path, .mask) : nil
      if let volume { try Self.requireMask(volume, of: image) }
      maskCount = volume?.header.slices ?? 1
      guard maskCount == count || wanted?.count == 2 else {
        throw DatasetError(
          description:
            "\(image.path) has \(count) \(count == 1 ? "slice" : "slices"), and its mask \(path) has \(maskCount); both "
            + "must have as many")
      }
    }
    if let wanted {
      for (number, (file, slices)) in zip(wanted, [(image.path, count), (entry.mask ?? "", maskCount)])
      where number >= slices {
        throw DatasetError(description: "\(file): has no slice \(number): its slices are 0 to \(slices - 1)")
      }
      return [Self.slice(entry, wanted[0], mask: wanted.last ?? wanted[0], isOne: count == 1)]
    }
    return (0..<count).map { Self.slice(entry, $0, mask: $0, isOne: count == 1) }
  }

  /// - Throws: ``DatasetError`` where a volume is no mask of an image: the very dataset that the image is, or one whose slices,
  ///   rows or columns run otherwise.
  private static func requireMask(_ mask: VolumeFile, of image: VolumeFile) throws {
    if let dataset = mask.dataset, mask.path == image.path, dataset == image.dataset {
      throw DatasetError(
        description: "\(image.path): its dataset '\(dataset)' is the image, and there is no mask of it: add a dataset "
          + "'label' to the file, or a file of the mask where the list or the folder labels has it")
    }
    let remedy =
      "resample or reorient the mask as the image (nibabel: as_closest_canonical for both), or, where only its header is "
      + "wrong, save it with the image's header"
    if let axis = image.header.sliceAxis, let other = mask.header.sliceAxis, axis != other {
      throw DatasetError(
        description:
          "\(image.path) has its slices along axis \(axis), and its mask \(mask.path) along axis \(other): \(remedy)")
    }
    if let words = image.header.orientation, let others = mask.header.orientation, words != others {
      throw DatasetError(description: "\(image.path): \(words), but in its mask \(mask.path) \(others): \(remedy)")
    }
  }

  /// - Parameter isOne: whether the file has no other slice, and so goes by its own name.
  private static func slice(_ entry: FileEntry, _ number: Int, mask: Int, isOne: Bool) -> FileEntry {
    guard !isOne else { return entry }
    return FileEntry(
      identifier: "\(entry.identifier)#\(number)", image: SliceName(file: entry.image, slice: number).text,
      mask: entry.mask.map { SliceName(file: $0, slice: mask).text })
  }
}
