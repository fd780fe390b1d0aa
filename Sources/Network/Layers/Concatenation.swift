import Compute

/// Joins maps of equal size along the channels, in order.
package func concatenate(_ parts: [Tensor]) -> Tensor {
  let first = parts[0]
  let channels = parts.reduce(0) { $0 + $1.channels }
  let joined = Tensor(count: first.count, height: first.height, width: first.width, channels: channels)
  parallelRanges(joined.count * joined.pixels, grain: 1 << 8) { range in
    var offset = 0
    for part in parts {
      let width = part.channels
      for pixel in range {
        (joined.data + pixel * channels + offset).update(from: part.data + pixel * width, count: width)
      }
      offset += width
    }
  }
  return joined
}

/// The inverse of ``concatenate(_:)``.
package func split(_ joined: Tensor, channels: [Int]) -> [Tensor] {
  var offset = 0
  return channels.map { width in
    let part = Tensor(count: joined.count, height: joined.height, width: joined.width, channels: width)
    let start = offset
    parallelRanges(joined.count * joined.pixels, grain: 1 << 8) { range in
      for pixel in range {
        (part.data + pixel * width).update(from: joined.data + pixel * joined.channels + start, count: width)
      }
    }
    offset += width
    return part
  }
}
