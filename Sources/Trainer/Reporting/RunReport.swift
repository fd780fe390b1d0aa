import Checkpoint
import Files
import Foundation
import Report

/// Keeps `report.html` of a run up to date, on rank 0.
final class RunReport: @unchecked Sendable {
  private let writer: BackgroundWriter
  private let directory: RunDirectory
  // Used on the writer's thread alone.
  private let reader: RunReader

  init(_ directory: RunDirectory, writer: BackgroundWriter) {
    self.directory = directory
    self.writer = writer
    reader = RunReader(directory.path, readsCheckpoints: false)
  }

  /// Writes the report anew while training goes on.
  ///
  /// - Parameter record: of an evaluation that has just been made; nil leaves the last one as it is.
  func update(_ record: EvaluationRecord?) {
    if let record {
      writer.write("evaluation") { [self] in
        try record.write(run: directory.path)
        try removePictures(but: record)
      }
    }
    writer.write("report", newest: true) { [self] in
      try reader.refresh()
      try ReportPage.write([reader], to: directory.reportPath)
    }
  }

  /// Removes pictures that no evaluation shows any longer. The ranks may be making those of the next evaluation, whose
  /// names have a later step.
  private func removePictures(but record: EvaluationRecord) throws {
    let folder = EvaluationRecord.picturesPath(directory.path)
    let kept = Set(record.pictures.flatMap { $0.files.map(\.name) })
    for name in try FileSystem.entries(of: folder) where !kept.contains(name) {
      guard let match = name.wholeMatch(of: /step-(\d+)-.*\.png/), let step = Int(match.1), step <= record.steps
      else { continue }
      let path = FileSystem.join(folder, name)
      guard unlink(path) == 0 || errno == ENOENT else { throw FileError.system("cannot be removed", path) }
    }
  }
}
