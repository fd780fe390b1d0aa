import Configuration

extension ConfusionMatrix {
  /// The end of a line on an evaluation: classes that a good mean hides, those never found and those that no mask shows;
  /// "" where there is none.
  public func remark(_ data: Configuration.Data) -> String {
    let truth = truthCounts, iou = intersectionOverUnion
    let missed = (0..<classes).filter { truth[$0] > 0 && iou[$0] == 0 }
    let absent = (0..<classes).filter { truth[$0] == 0 }
    var parts: [String] = []
    if !missed.isEmpty { parts.append("IoU 0: \(data.names(of: missed))") }
    if !absent.isEmpty { parts.append("without a pixel: \(data.names(of: absent))") }
    return parts.isEmpty ? "" : "  " + parts.joined(separator: "; ")
  }
}
