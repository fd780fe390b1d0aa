import Compute

/// Bilinear resizing with aligned corners: x [N, h, w, C] → [N, height, width, C].
package func resizeBilinear(_ x: Tensor, height: Int, width: Int) -> Tensor {
  resizeBilinear(
    x, firstRow: 0, rows: BilinearAxis(source: x.height, target: height),
    columns: BilinearAxis(source: x.width, target: width), part: 0..<height)
}

/// The rows `part` of a resized image, from a tensor that holds the rows of the image from `firstRow` on, as far as these take
/// them.
package func resizeBilinear(
  _ x: Tensor, firstRow: Int, rows: BilinearAxis, columns: BilinearAxis, part: Range<Int>
) -> Tensor {
  let (height, width) = (part.count, columns.count)
  let y = Tensor(count: x.count, height: height, width: width, channels: x.channels)
  let channels = x.channels
  parallelFor(y.count * height) { row in
    let (sample, line) = (row / height, row % height)
    let oy = part.lowerBound + line
    let top = UnsafePointer(x.sample(sample) + (rows.lower[oy] - firstRow) * x.width * channels)
    let bottom = UnsafePointer(x.sample(sample) + (rows.upper[oy] - firstRow) * x.width * channels)
    let fy = rows.fraction[oy]
    var to = y.sample(sample) + line * width * channels
    for ox in 0..<width {
      let left = columns.lower[ox] * channels, right = columns.upper[ox] * channels, fx = columns.fraction[ox]
      let (a, b, c, d) = (top + left, top + right, bottom + left, bottom + right)
      let (wa, wb, wc, wd) = ((1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx)
      for i in 0..<channels { to[i] = a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd }
      to += channels
    }
  }
  return y
}

/// The adjoint of ``resizeBilinear(_:height:width:)``: gradient dy of the output → gradient of the h × w input.
///
/// Every input pixel gathers from the output pixels it reaches, in a fixed order.
package func resizeBilinearBackward(_ dy: Tensor, height: Int, width: Int) -> Tensor {
  let dx = Tensor(count: dy.count, height: height, width: width, channels: dy.channels)
  let rows = BilinearAxis(source: height, target: dy.height), columns = BilinearAxis(source: width, target: dy.width)
  let channels = dy.channels
  parallelFor(dx.count * height) { row in
    let (sample, iy) = (row / height, row % height)
    for ix in 0..<width {
      let to = dx.sample(sample) + (iy * width + ix) * channels
      to.update(repeating: 0, count: channels)
      for (oy, wy) in rows.contributions[iy] {
        let line = UnsafePointer(dy.sample(sample) + oy * dy.width * channels)
        for (ox, wx) in columns.contributions[ix] {
          let from = line + ox * channels, weight = wy * wx
          for i in 0..<channels { to[i] += from[i] * weight }
        }
      }
    }
  }
  return dx
}
