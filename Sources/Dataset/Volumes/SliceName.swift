import Volumes

/// The name of one slice of a volume: the file and the slice's number, counted from 0, such as `patient007.nii.gz#14`.
struct SliceName: Equatable {
  let file: String
  let slice: Int

  init(file: String, slice: Int) { (self.file, self.slice) = (file, slice) }

  /// - Returns: nil where the text does not end in `#` and a number.
  init?(_ text: String) {
    guard let mark = text.lastIndex(of: "#"), mark > text.startIndex else { return nil }
    let digits = text[text.index(after: mark)...]
    guard !digits.isEmpty, digits.count < 10, digits.allSatisfy({ ("0"..."9").contains($0) }), let slice = Int(digits)
    else { return nil }
    self.init(file: String(text[..<mark]), slice: slice)
  }

  var text: String { "\(file)#\(slice)" }

  /// A line of a list without the numbers of slices: of a name, or of both paths of an image and its mask.
  ///
  /// - Returns: the numbers that the line has, one or two; nil where it has none.
  static func split(_ line: ImageList.Line) -> (line: ImageList.Line, slices: [Int])? {
    if let whole = SliceName(line.text), !line.text.contains("\t"), line.words.compactMap(SliceName.init).count < 2 {
      // What stands before it may be a pair, whose image has no number.
      guard line.words.count != 2 || SliceName(line.words[0]) == nil else { return nil }
      return (ImageList.Line(number: line.number, text: whole.file), [whole.slice])
    }
    let words = line.words
    guard words.count == 2, let image = SliceName(words[0]) else { return nil }
    let mask = SliceName(words[1])
    return (
      ImageList.Line(number: line.number, text: "\(image.file)\t\(mask?.file ?? words[1])"),
      [image.slice] + (mask.map { [$0.slice] } ?? [])
    )
  }
}
