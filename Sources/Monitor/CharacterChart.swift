import Foundation

/// A curve in characters: columns of blocks, between the least and the greatest value.
package enum CharacterChart {
  /// Characters that fill a cell from below, none first.
  private static let blocks: [Character] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
  private static let ascii: [Character] = [" ", ".", ":", "-", "=", "+", "*", "%", "#"]

  /// - Parameters:
  ///   - columns: nil leaves a gap.
  ///   - rows: lines of the result.
  ///   - isPlain: whether the terminal shows ASCII alone.
  package static func lines(_ columns: [Double?], rows: Int, isPlain: Bool = false) -> [String] {
    let values = columns.compactMap { $0 }
    guard rows > 0, let least = values.min(), let greatest = values.max() else { return [] }
    let fills = isPlain ? ascii : blocks
    let eighths = 8 * rows
    // A constant is a line in the middle; the least value is still to be seen.
    let heights = columns.map { value -> Int? in
      value.map { greatest > least ? 1 + Int(($0 - least) / (greatest - least) * Double(eighths - 1)) : eighths / 2 }
    }
    return (0..<rows).map { row in
      let below = 8 * (rows - 1 - row)
      return String(heights.map { height in fills[min(8, max(0, (height ?? 0) - below))] })
    }
  }
}
