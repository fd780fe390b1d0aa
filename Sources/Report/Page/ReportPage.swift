import Files
import Foundation

/// A report: one HTML file that holds all it shows and loads nothing.
public enum ReportPage {
  /// The page of one run or several, over each other.
  public static func html(_ runs: [RunReader]) -> String {
    let names = runs.map(\.name).joined(separator: ", ")
    let data = PageData.json(runs, comparisons: comparisons(runs))
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <link rel="icon" href="data:,">
      <title>u2pl: \(escaped(names))</title>
      <style>
      \(text(PackageResources.report_css))</style>
      </head>
      <body>
      <noscript>This report draws its curves by a script that it holds; the browser does not run it.</noscript>
      <main id="report"></main>
      <script type="application/json" id="data">\(data)</script>
      <script>
      \(text(PackageResources.curves_js))
      \(text(PackageResources.report_js))</script>
      </body>
      </html>

      """
  }

  /// Writes a report in place of what is there.
  ///
  /// - Throws: `FileError`.
  public static func write(_ runs: [RunReader], to path: String) throws {
    try FileSystem.replace(path, text: html(runs))
  }

  /// Runs that differ in their seeds alone are one arm; every other arm is compared with the first.
  private static func comparisons(_ runs: [RunReader]) -> [Comparison] {
    var arms: [(settings: [String], runs: [RunReader])] = []
    for run in runs {
      if let at = arms.firstIndex(where: { $0.settings == run.arm }) {
        arms[at].runs.append(run)
      } else {
        arms.append((run.arm, [run]))
      }
    }
    return arms.dropFirst().compactMap { try? Comparison(arms[0].runs, $0.runs) }
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }
}
