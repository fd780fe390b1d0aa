import Checkpoint
import Foundation

/// IoU, Dice and distance of each case and class as a CSV file.
public struct CaseTable: Sendable {
  public let path: String
  private static let heading = "case,class,iou,dice,hd95"

  public init(path: String) { self.path = path }

  /// Finds out before a long evaluation whether ``write(_:_:classes:)`` would fail, or write over anything but an earlier table.
  ///
  /// - Throws: ``CheckpointError``.
  public func check() throws {
    let manager = FileManager.default
    if manager.fileExists(atPath: path) {
      let start = FileHandle(forReadingAtPath: path).flatMap { try? $0.read(upToCount: Self.heading.utf8.count) }
      guard start == Data(Self.heading.utf8) else {
        throw CheckpointError(
          description: "\(path) is there already and holds no table of cases; choose another name, or delete it")
      }
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard access(folder, W_OK) == 0 else {
      throw CheckpointError(description: "\(path) cannot be written: \(folder): \(String(cString: strerror(errno)))")
    }
  }

  /// A line a case and class. A cell is empty where the case does not have the class, or there is no distance; `inf` stands for the
  /// distance where the class is in the mask alone or in the prediction alone.
  ///
  /// - Throws: ``CheckpointError`` naming the file.
  public func write(_ means: CaseMeans, _ distances: CaseDistances?, classes: [String]) throws {
    var lines = [Self.heading]
    for (number, name) in means.names.enumerated() {
      for (c, className) in classes.enumerated() {
        let distance: String =
          switch distances?.states[number * classes.count + c] {
          case .distance(let value): "\(value)"
          case .oneEmpty: "inf"
          case .absent, nil: ""
          }
        let scores = [means.caseIntersectionOverUnion, means.caseDice].map { $0[number][c].map { "\($0)" } ?? "" }
        lines.append(
          ([ConfusionFile.field(name), ConfusionFile.field(className)] + scores + [distance]).joined(separator: ","))
      }
    }
    do {
      try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw CheckpointError(description: "\(path) cannot be written: \(error.localizedDescription)")
    }
  }
}
