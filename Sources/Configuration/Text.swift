import Foundation

/// `text` as a YAML scalar that is read back as the same text, whatever it holds.
func quotedIfNeeded(_ text: String) -> String {
  let plain = text.unicodeScalars.allSatisfy { scalar in
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "_", "-", ".", "/": true
    default: false
    }
  }
  let startsLikeText = text.unicodeScalars.first.map { $0 == "/" || $0.properties.isAlphabetic } ?? false
  let reserved =
    ["null", "on", "off", "yes", "no", "true", "false", "y", "n"].contains(text.lowercased())
    || Double(text) != nil
  if plain, startsLikeText, !reserved { return text }
  return "\"" + text.unicodeScalars.map(escaped).joined() + "\""
}

private func escaped(_ scalar: Unicode.Scalar) -> String {
  switch scalar {
  case "\"": return "\\\""
  case "\\": return "\\\\"
  case " "..."~": return String(scalar)
  default:
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
      let digits = String(scalar.value, radix: 16, uppercase: true)
      return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
    default: return String(scalar)
    }
  }
}

/// The name that `text` is most likely a slip of: it starts with it, or at most a third of its letters are changed,
/// added, left out or swapped.
func nearest(to text: String, among names: [String]) -> String? {
  guard text.count <= 40 else { return nil }
  let folded = Array(text.lowercased().replacing("-", with: "_"))
  if folded.count >= 3, let longer = names.first(where: { $0.hasPrefix(String(folded)) }) { return longer }
  let ranked = names.map { (name: $0, distance: editDistance(folded, Array($0))) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
  return best.distance <= max(1, best.name.count / 3) ? best.name : nil
}

/// Single-character edits, and swaps of neighbours, from `a` to `b`.
private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
  var rows = [Array(0...b.count)]
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var cost = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, rows[i - 1][j - 1] + 1) }
      row.append(cost)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}

/// A path that begins with `~/` in the user's home folder, as a shell writes it. A shell leaves it alone behind an equals sign, and sees
/// no files.
package func expandingHome(_ path: String) -> String {
  guard path == "~" || path.hasPrefix("~/"), let home = ProcessInfo.processInfo.environment["HOME"], !home.isEmpty
  else {
    return path
  }
  return home + path.dropFirst()
}
