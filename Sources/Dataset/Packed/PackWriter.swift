import Files
import Foundation
internal import HDF5
import Synchronization
import Transforms

/// Writes a ``PackedFile``, in as many processes as there are.
///
/// The file is laid out first, with an empty dataset at every place; its metadata does not change after that. Images
/// are then written at their places, in any order and by any process, and after an image and its mask their checksums.
/// So the file is valid at any moment and tells which images it lacks. Its name is `FILE.partial` until all of it has
/// been read back.
public final class PackWriter: Sendable {
  private let plan: PackPlan
  private let path: String
  private let descriptor: Int32
  private let places: [(image: Int, mask: Int?)]
  private let checksums: Int
  /// Images that have not been written yet.
  public let missing: [Int]
  /// Images written by this process that are damaged, but read as viewers show them: a line each.
  public let flaws = Mutex<[String]>([])

  public static func partialPath(_ path: String) -> String { path + ".partial" }

  /// Lays the file out, unless an earlier command has done so. One process calls this, before any makes a writer.
  ///
  /// - Returns: what an earlier command has left, nil for nothing.
  /// - Throws: ``DatasetError`` when the file cannot be written, or the disk is too small for it.
  public static func prepare(_ plan: PackPlan, _ path: String) throws -> Begun? {
    let partial = partialPath(path)
    var found: Begun?
    if FileManager.default.fileExists(atPath: partial) {
      do {
        return .images(plan.count - (try PackWriter(plan, path)).missing.count)
      } catch { found = .other("\(error)") }
    }
    do {
      try requireSpace(plan.totalBytes, at: path)
      try FileSystem.replace(partial) { temporary, _ in
        try HDF5.run { try layOut(plan, temporary, Place(file: partial, advice: "")) }
      }
    } catch let error as FileError {
      throw DatasetError(description: error.description)
    }
    return found
  }

  /// What an earlier command has left.
  public enum Begun: Sendable, Equatable {
    /// This many images of the plan.
    case images(Int)
    /// Something else, which was replaced, with a sentence about what was wrong with it.
    case other(String)
  }

  private static func layOut(_ plan: PackPlan, _ path: String, _ place: Place) throws {
    var file = try HDF5Writer(new: path, metadataBlock: 1 << 20, place)
    func text(_ lines: [String]) -> StoredDataset {
      let bytes = [UInt8](lines.map { $0 + "\n" }.joined().utf8)
      return StoredDataset(shape: [bytes.count], values: .uint8(bytes))
    }
    try file.write(text(plan.entries.map(\.name)), at: "names")
    for list in plan.lists { try file.write(text(list.images), at: PackedFile.listDataset(list.name)) }
    let tables = plan.codings.flatMap { $0.table.map(Int64.init) }
    try file.write(StoredDataset(shape: [plan.codings.count, 256], values: .int64(tables)), at: "label_codings")
    try file.write(
      StoredDataset(shape: [plan.count], values: .uint8(plan.entries.map { UInt8($0.coding) })), at: "label_coding")
    if let spacing = plan.spacing {
      try file.write(StoredDataset(shape: [plan.count, 3], values: .float64(spacing)), at: PackedFile.spacingDataset)
    }
    try file.reserve([plan.count, 2], .int64, at: "checksums")
    for (index, entry) in plan.entries.enumerated() {
      let image = try ImagePlace(entry.image).packedImage(plan.form)
      try file.reserve(
        image?.shape ?? [Int(plan.sizes[3 * index])], image?.type ?? .uint8, at: "images/\(entry.name)")
      guard let path = entry.mask else { continue }
      let mask = try ImagePlace(path).packedMask()
      try file.reserve(mask?.shape ?? [Int(plan.sizes[3 * index + 1])], .uint8, at: "labels/\(entry.name)")
    }
    try file.write(.string(PackedFile.format), attribute: "format")
    try file.write(.int(PackedFile.formatVersion), attribute: "format_version")
    try file.write(.string(plan.fingerprint), attribute: "plan")
    try file.close()
  }

  private static func requireSpace(_ bytes: Int, at path: String) throws {
    let folder = FileSystem.directory(of: path)
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { throw FileError.system("cannot be written to", folder) }
    let free = Int(status.f_bavail) * Int(status.f_frsize)
    guard free > bytes else {
      throw DatasetError(
        description: String(
          format: "%@: %.1f MB are needed and %.1f MB are free; make room or choose another place", folder,
          Double(bytes) / 1e6, Double(free) / 1e6))
    }
  }

  /// Opens the file that ``prepare(_:_:)`` has laid out.
  ///
  /// - Throws: ``DatasetError`` when it is not of this plan.
  public init(_ plan: PackPlan, _ path: String) throws {
    let partial = PackWriter.partialPath(path)
    let descriptor = open(partial, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileBytes.problem(partial, "cannot be opened: \(FileBytes.reason())") }
    do {
      let found = try HDF5.run { try PackWriter.survey(plan, descriptor, Place(file: partial, advice: "")) }
      self.plan = plan
      self.path = path
      self.descriptor = descriptor
      (places, checksums) = (found.places, found.checksums)
      missing = found.missing
    } catch {
      close(descriptor)
      throw (error as? FileError).map { DatasetError(description: $0.description) } ?? error
    }
  }

  deinit { close(descriptor) }

  private struct Survey: Sendable {
    var places: [(image: Int, mask: Int?)] = []
    var checksums = 0
    var missing: [Int] = []
  }

  private static func survey(_ plan: PackPlan, _ descriptor: Int32, _ place: Place) throws -> Survey {
    let reader = try HDF5Reader("/dev/fd/\(descriptor)", place)
    guard try reader.attribute("plan") == .string(plan.fingerprint) else {
      throw place.error("was begun with other images or lists")
    }
    func offset(_ dataset: String) throws -> Int {
      let place = place.at("'/\(dataset)'")
      guard let offset = try reader.dataset(dataset).offset(place) else { throw place.error("is not in one piece") }
      return offset
    }
    var found = Survey()
    found.checksums = try offset("checksums")
    for entry in plan.entries {
      found.places.append(
        (try offset("images/\(entry.name)"), try entry.mask.map { _ in try offset("labels/\(entry.name)") }))
    }
    let bytes = try FileBytes.read(descriptor, at: found.checksums, count: 16 * plan.count, place.file)
    found.missing = bytes.withUnsafeBytes { bytes in
      plan.entries.indices.filter { index in
        let words = (0..<2).map { bytes.loadUnaligned(fromByteOffset: 16 * index + 8 * $0, as: UInt64.self) }
        return words[0] == 0 || plan.entries[index].mask != nil && words[1] == 0
      }
    }
    return found
  }

  // MARK: Images

  /// Checks an image and its mask and writes them. May be called from any thread.
  ///
  /// - Throws: ``DatasetError`` when they are not valid in a data set, have changed, or cannot be written.
  public func write(_ index: Int) throws {
    let (image, mask): ([UInt8], [UInt8]?)
    do {
      (image, mask) = try sound(index)
    } catch let problem as DatasetError {
      throw DatasetError(description: "\(plan.entries[index].origin): \(problem.description)")
    }
    try store(image, at: places[index].image)
    if let mask, let place = places[index].mask { try store(mask, at: place) }
    // The checksum follows the bytes, so that the file never claims to have what it lacks.
    try store(checksums: (PackedFile.checksum(image), mask.map(PackedFile.checksum) ?? 0), index)
  }

  /// The checked bytes of an image and its mask.
  private func sound(_ index: Int) throws -> (image: [UInt8], mask: [UInt8]?) {
    let entry = plan.entries[index]
    let (image, facts) = try image(entry, size: plan.sizes[3 * index])
    if let flaw = facts.flaw { flaws.withLock { $0.append("\(entry.origin): \(entry.image): \(flaw)") } }
    guard let path = entry.mask else { return (image, nil) }
    let (mask, stored) = try mask(path, size: plan.sizes[3 * index + 1])
    let labels = try plan.codings[entry.coding].decode(stored, mask: path)
    guard (labels.height, labels.width) == (facts.height, facts.width) else {
      throw DatasetError(
        mismatch: (entry.image, facts.height, facts.width), (path, labels.height, labels.width),
        orientation: facts.orientation)
    }
    return (image, mask)
  }

  /// The bytes that are packed of an image: those of its file, or the values of a volume's slice.
  private func image(_ entry: PackPlan.Entry, size: Int64) throws -> ([UInt8], ImageFacts) {
    let place = ImagePlace(entry.image)
    guard try place.packedImage(plan.form) == nil else {
      let (image, facts) = try place.read(plan.form)
      return (try requireSize(image.values.bytes, size, entry.image), facts)
    }
    let image = try read(entry.image, size: size)
    _ = try ImageFile.checkImage(image, entry.image, plan.form)
    return (image, try ImageFile.decode(image, entry.image, plan.form).facts)
  }

  /// The same of a mask, and what it stores.
  private func mask(_ path: String, size: Int64) throws -> ([UInt8], LabelMap) {
    let place = ImagePlace(path)
    guard try place.packedMask() == nil else {
      let labels = try place.labels()
      return (try requireSize(labels.values, size, path), labels)
    }
    let mask = try read(path, size: size)
    return (mask, try ImageFile.decodeLabels(mask, path))
  }

  /// Reads an image and its mask back from the file and compares them with their checksums. Marks them as missing where
  /// they differ.
  public func verify(_ index: Int) throws {
    let entry = plan.entries[index]
    let stored = try FileBytes.read(descriptor, at: checksums + 16 * index, count: 16, path)
    let words = stored.withUnsafeBytes { bytes in
      (0..<2).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
    }
    let pieces = [(places[index].image as Int?, "images"), (places[index].mask, "labels")]
    for (column, (place, group)) in pieces.enumerated() {
      guard let place else { continue }
      let name = "\(PackWriter.partialPath(path)): \(group)/\(entry.name)"
      let bytes = try FileBytes.read(descriptor, at: place, count: Int(plan.sizes[3 * index + column]), name)
      guard PackedFile.checksum(bytes) == words[column] else {
        try store(checksums: (0, 0), index)
        throw FileBytes.problem(name, "is not what was written; the disk may be failing. Run the command again")
      }
    }
  }

  /// Keeps a second command from writing the same file at the same time. One process calls this.
  public func lock() throws {
    // Not all network file systems have locks; there the user must not start two commands.
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw FileBytes.problem(PackWriter.partialPath(path), "another u2pl data pack is writing it; wait for its end")
    }
  }

  /// Writes everything to the disk, and drops it from memory, so that the next reads come from the disk.
  public func synchronize() throws {
    guard fsync(descriptor) == 0 else {
      throw FileBytes.problem(PackWriter.partialPath(path), "cannot be written to the disk: \(FileBytes.reason())")
    }
    _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }

  /// Gives the file its name. One process calls this, when all others are done.
  public func publish() throws {
    do {
      guard rename(PackWriter.partialPath(path), path) == 0 else {
        throw FileError.system("cannot be replaced", path)
      }
      try FileSystem.synchronizeDirectory(of: path)
    } catch let error as FileError {
      throw DatasetError(description: error.description)
    }
  }

  private func read(_ path: String, size: Int64) throws -> [UInt8] {
    try requireSize(FileBytes.read(path), size, path)
  }

  private func requireSize(_ bytes: [UInt8], _ size: Int64, _ path: String) throws -> [UInt8] {
    guard bytes.count == Int(size) else {
      throw FileBytes.problem(path, "has changed since packing began; start again")
    }
    return bytes
  }

  private func store(_ bytes: [UInt8], at offset: Int) throws {
    try FileBytes.write(bytes, to: descriptor, at: offset, PackWriter.partialPath(path))
  }

  private func store(checksums words: (UInt64, UInt64), _ index: Int) throws {
    let bytes = withUnsafeBytes(of: (words.0.littleEndian, words.1.littleEndian)) { [UInt8]($0) }
    try store(bytes, at: checksums + 16 * index)
  }
}
