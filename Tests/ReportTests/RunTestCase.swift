import Foundation
import TestSupport
import XCTest

import Report

/// A test with runs' directories of its own making.
class RunTestCase: DirectoryTestCase {
  /// Writes a run that has done some steps.
  @discardableResult
  func run(
    _ name: String, seed: Int = 0, settings: String = "", steps: Int = 10, meanIoU: Double = 0.5
  ) throws -> String {
    let folder = path(name)
    try FileManager.default.createDirectory(atPath: folder + "/logs", withIntermediateDirectories: true)
    let yaml = """
      run: {seed: \(seed)}
      data: {kind: shapes, labeled: 4, unlabeled: 4, validation: 4, classes: [sky, road]}
      \(settings)
      """
    try yaml.write(toFile: folder + "/config.yaml", atomically: true, encoding: .utf8)
    let lines = (0..<steps).map(Self.step) + [Self.evaluation(after: steps, meanIoU)]
    try (lines.joined(separator: "\n") + "\n").write(
      toFile: folder + "/metrics.jsonl", atomically: true, encoding: .utf8)
    return folder
  }

  static func step(_ step: Int) -> String {
    #"{"step":\#(step),"epoch":0,"loss":\#(1 / Double(step + 1)),"supervised":1.0,"unsupervised":0.0,"contrastive":0.0,"gamma":null,"#
      + #""alpha":null,"reliable":0,"reliable_share":null,"learning_rate":0.1,"anchors":[1,2],"bank":[3,4],"seconds":0.5}"#
  }

  static func evaluation(after steps: Int, _ meanIoU: Double) -> String {
    #"{"step":\#(steps - 1),"epoch":0,"evaluation":{"network":"teacher","mean_iou":\#(meanIoU),"pixel_accuracy":0.8,"#
      + #""mean_accuracy":0.7,"iou":[\#(meanIoU - 0.1),null],"mean_dice":0.6,"dice":[0.6,null],"images":4,"seconds":1.0}}"#
  }

  func append(_ text: String, to file: String) throws {
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(text.utf8))
    try handle.close()
  }
}
