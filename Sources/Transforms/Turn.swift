/// Quarters of a circle that a piece is turned by, counter-clockwise, and whether it is then mirrored upside down.
struct Turn {
  let quarters: Int
  let isUpsideDown: Bool
  let height: Int
  let width: Int

  var turnedHeight: Int { quarters % 2 == 0 ? height : width }
  var turnedWidth: Int { quarters % 2 == 0 ? width : height }

  /// height × width × channels, turned.
  func apply<Value>(_ values: [Value], channels: Int) -> [Value] {
    guard quarters > 0 || isUpsideDown else { return values }
    var turned: [Value] = []
    turned.reserveCapacity(values.count)
    for row in 0..<turnedHeight {
      let y = isUpsideDown ? turnedHeight - 1 - row : row
      for x in 0..<turnedWidth {
        let from: Int =
          switch quarters {
          case 1: x * width + width - 1 - y
          case 2: (height - 1 - y) * width + width - 1 - x
          case 3: (height - 1 - x) * width + y
          default: y * width + x
          }
        for c in 0..<channels { turned.append(values[from * channels + c]) }
      }
    }
    return turned
  }
}
