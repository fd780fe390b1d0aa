import Foundation
import Network

/// A map in double precision, N × H × W × C.
struct Map {
  let count, height, width, channels: Int
  var values: [Double]

  init(count: Int, height: Int, width: Int, channels: Int, values: [Double]? = nil) {
    (self.count, self.height, self.width, self.channels) = (count, height, width, channels)
    self.values = values ?? [Double](repeating: 0, count: count * height * width * channels)
  }

  init(_ t: Tensor) {
    self.init(
      count: t.count, height: t.height, width: t.width, channels: t.channels,
      values: UnsafeBufferPointer(start: t.data, count: t.elements).map(Double.init))
  }

  /// The same numbers rounded to single precision.
  var tensor: Tensor {
    let t = Tensor(count: count, height: height, width: width, channels: channels)
    for (i, value) in values.enumerated() { t.data[i] = Float(value) }
    return t
  }

  func index(_ n: Int, _ y: Int, _ x: Int, _ c: Int) -> Int { ((n * height + y) * width + x) * channels + c }
  subscript(n: Int, y: Int, x: Int, c: Int) -> Double {
    get { values[index(n, y, x, c)] }
    set { values[index(n, y, x, c)] = newValue }
  }
}

/// One named array of parameters in PyTorch's shape.
struct Values {
  let shape: [Int]
  var values: [Double]
}

/// The layers' forward passes once more, written from their definitions in double precision, without any of the
/// library's code. Central differences of these are what backward passes are compared with.
enum Plain {
  /// Zero-padded by dilation · ⌊kernel / 2⌋; `weight` is [outputs, inputs, kernel, kernel].
  static func convolution(_ x: Map, _ weight: Values, bias: Values? = nil, stride: Int = 1, dilation: Int = 1) -> Map {
    let (outputs, inputs, kernel) = (weight.shape[0], weight.shape[1], weight.shape[2])
    let pad = dilation * (kernel / 2)
    func size(_ length: Int) -> Int { (length + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1 }
    var y = Map(count: x.count, height: size(x.height), width: size(x.width), channels: outputs)
    // As [kernel · kernel, inputs, outputs], so that the innermost loop runs over neighbours in memory.
    let taps = kernel * kernel
    var byTap = [Double](repeating: 0, count: weight.values.count)
    for o in 0..<outputs {
      for i in 0..<inputs {
        for t in 0..<taps { byTap[(t * inputs + i) * outputs + o] = weight.values[(o * inputs + i) * taps + t] }
      }
    }
    let (height, width) = (y.height, y.width)
    y.values.withUnsafeMutableBufferPointer { out in
      x.values.withUnsafeBufferPointer { source in
        byTap.withUnsafeBufferPointer { byTap in
          for n in 0..<x.count {
            for oy in 0..<height {
              for ox in 0..<width {
                let to = out.baseAddress! + ((n * height + oy) * width + ox) * outputs
                for o in 0..<outputs { to[o] = bias?.values[o] ?? 0 }
                for t in 0..<taps {
                  let iy = oy * stride - pad + t / kernel * dilation, ix = ox * stride - pad + t % kernel * dilation
                  guard iy >= 0, iy < x.height, ix >= 0, ix < x.width else { continue }
                  let from = source.baseAddress! + ((n * x.height + iy) * x.width + ix) * inputs
                  for i in 0..<inputs {
                    let value = from[i], w = byTap.baseAddress! + (t * inputs + i) * outputs
                    for o in 0..<outputs { to[o] += value * w[o] }
                  }
                }
              }
            }
          }
        }
      }
    }
    return y
  }

  /// By the mean and biased variance of all samples' pixels: relu(γ·(y − mean)/√(var + 1e-5) + β + residual).
  static func batchNorm(_ y: Map, weight: Values, bias: Values, residual: Map? = nil, relu: Bool) -> Map {
    var out = y
    let pixels = y.values.count / y.channels
    for c in 0..<y.channels {
      let at = stride(from: c, to: y.values.count, by: y.channels)
      let mean = at.reduce(0) { $0 + y.values[$1] } / Double(pixels)
      let variance = at.reduce(0) { $0 + (y.values[$1] - mean) * (y.values[$1] - mean) } / Double(pixels)
      let scale = weight.values[c] / (variance + 1e-5).squareRoot()
      for i in at {
        let value = (y.values[i] - mean) * scale + bias.values[c] + (residual?.values[i] ?? 0)
        out.values[i] = relu ? max(0, value) : value
      }
    }
    return out
  }

  /// 3×3, stride 2, padding 1; windows start at −1, 1, 3 … as long as that is inside the map.
  static func maxPool(_ x: Map) -> Map {
    func count(_ size: Int) -> Int { (0...size).count { 2 * $0 - 1 < size } }
    var y = Map(count: x.count, height: count(x.height), width: count(x.width), channels: x.channels)
    for n in 0..<y.count {
      for oy in 0..<y.height {
        for ox in 0..<y.width {
          for c in 0..<y.channels {
            var greatest = -Double.infinity
            for iy in max(0, 2 * oy - 1)...min(x.height - 1, 2 * oy + 1) {
              for ix in max(0, 2 * ox - 1)...min(x.width - 1, 2 * ox + 1) { greatest = max(greatest, x[n, iy, ix, c]) }
            }
            y[n, oy, ox, c] = greatest
          }
        }
      }
    }
    return y
  }

  /// Corner pixels on corner pixels; linear between the four neighbours.
  static func bilinear(_ x: Map, height: Int, width: Int) -> Map {
    var y = Map(count: x.count, height: height, width: width, channels: x.channels)
    func place(_ i: Int, _ source: Int, _ target: Int) -> (Int, Int, Double) {
      let position = target > 1 ? Double(i) * Double(source - 1) / Double(target - 1) : 0
      let low = min(Int(position), source - 1)
      return (low, min(low + 1, source - 1), position - Double(low))
    }
    for n in 0..<y.count {
      for oy in 0..<height {
        let (top, bottom, fy) = place(oy, x.height, height)
        for ox in 0..<width {
          let (left, right, fx) = place(ox, x.width, width)
          for c in 0..<x.channels {
            let above = x[n, top, left, c] * (1 - fx) + x[n, top, right, c] * fx
            let below = x[n, bottom, left, c] * (1 - fx) + x[n, bottom, right, c] * fx
            y[n, oy, ox, c] = above * (1 - fy) + below * fy
          }
        }
      }
    }
    return y
  }

  /// The mean over all pixels, N × 1 × 1 × C.
  static func average(_ x: Map) -> Map {
    var y = Map(count: x.count, height: 1, width: 1, channels: x.channels)
    for i in x.values.indices {
      let n = i / (x.height * x.width * x.channels)
      y.values[n * x.channels + i % x.channels] += x.values[i] / Double(x.height * x.width)
    }
    return y
  }

  static func concatenate(_ maps: [Map]) -> Map {
    let pixels = maps[0].count * maps[0].height * maps[0].width
    let values = (0..<pixels).flatMap { p in
      maps.flatMap { $0.values[p * $0.channels..<(p + 1) * $0.channels] }
    }
    return Map(
      count: maps[0].count, height: maps[0].height, width: maps[0].width,
      channels: maps.reduce(0) { $0 + $1.channels }, values: values)
  }

  /// Multiplies each channel of each sample by a factor.
  static func scaled(_ x: Map, by factor: (_ sample: Int, _ channel: Int) -> Double) -> Map {
    var y = x
    for n in 0..<x.count {
      let factors = (0..<x.channels).map { factor(n, $0) }
      let first = n * x.height * x.width * x.channels
      for i in 0..<x.height * x.width * x.channels { y.values[first + i] *= factors[i % x.channels] }
    }
    return y
  }
}
