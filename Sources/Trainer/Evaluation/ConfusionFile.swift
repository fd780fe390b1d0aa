import Checkpoint
import Foundation
import HDF5

/// Where a confusion matrix is written: a file in the format its name ends in.
public struct ConfusionFile: Sendable {
  public enum Format: Sendable { case csv, hdf5 }

  public let path: String
  public let format: Format
  private static let corner = "truth"
  private static let dataset = "confusion"

  /// - Returns: nil unless the name ends in `.csv`, `.h5` or `.hdf5`.
  public init?(path: String) {
    switch URL(fileURLWithPath: path).pathExtension.lowercased() {
    case "csv": format = .csv
    case "h5", "hdf5": format = .hdf5
    default: return nil
    }
    self.path = path
  }

  /// Finds out before a long evaluation whether ``write(_:names:attributes:)`` would fail, or write over anything but an
  /// earlier matrix.
  ///
  /// - Throws: ``CheckpointError``.
  public func check() throws {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
      guard !isDirectory.boolValue else { throw problem("is a folder; give the name of a file in it") }
      guard holdsMatrix else {
        throw problem("is there already and holds no confusion matrix; choose another name, or delete it")
      }
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isDirectory), isDirectory.boolValue else {
      throw problem("cannot be written: there is no folder \(folder)")
    }
    guard access(folder, W_OK) == 0 else { throw problem("cannot be written: \(String(cString: strerror(errno)))") }
  }

  /// Writes the counts: rows are true classes, columns predicted ones. CSV has the names around them; HDF5 has a dataset
  /// `confusion`, int64 [C, C], and attributes.
  ///
  /// - Parameters:
  ///   - names: of the classes.
  ///   - attributes: how the matrix came about; HDF5 only.
  /// - Throws: ``CheckpointError`` naming the file.
  public func write(_ matrix: ConfusionMatrix, names: [String], attributes: [String: AttributeValue]) throws {
    let classes = matrix.classes
    switch format {
    case .hdf5:
      var contents = CheckpointContents()
      contents.attributes = attributes
      contents.attributes["classes"] = .string(names.joined(separator: "\n"))
      contents.datasets[Self.dataset] = StoredDataset(shape: [classes, classes], values: .int64(matrix.counts))
      try CheckpointFile.write(contents, to: path)
    case .csv:
      var lines = [([Self.corner] + names).map(Self.field).joined(separator: ",")]
      for (c, name) in names.enumerated() {
        let row = matrix.counts[c * classes..<(c + 1) * classes].map { "\($0)" }
        lines.append(([Self.field(name)] + row).joined(separator: ","))
      }
      do {
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
      } catch {
        throw problem("cannot be written: \(error.localizedDescription)")
      }
    }
  }

  private var holdsMatrix: Bool {
    switch format {
    case .csv:
      guard let file = FileHandle(forReadingAtPath: path) else { return false }
      let start = Data("\(Self.corner),".utf8)
      return (try? file.read(upToCount: start.count)) == start
    case .hdf5:
      return (try? CheckpointFile.summary(path))?.datasets.map(\.path) == [Self.dataset]
    }
  }

  /// As RFC 4180 has it.
  static func field(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  private func problem(_ what: String) -> CheckpointError { CheckpointError(description: "\(path) \(what)") }
}
