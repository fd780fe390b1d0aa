/// The tiles that Winograd's minimal filtering cuts the maps of a 3×3 convolution of stride 1 into, and the transforms
/// of one tile between a map and the 36 planes of products, 16 channels at a time.
///
/// A convolution of dilation d is d² dense ones, each on every d-th row and column, so tiles are cut on those grids.
struct WinogradTiles {
  typealias W = WinogradTransform

  /// Where a tile's vectors lie: channel c of plane p at `plane · p + group · (c / 16) + c % 16`.
  struct Layout {
    let plane: Int
    var group = 16
  }

  /// A map that tiles are written into, and what is added to it.
  struct Output {
    let map: UnsafeMutablePointer<Float>
    let channels: Int
    /// One number for each channel.
    let bias: UnsafePointer<Float>
  }

  /// Scratch of one thread.
  struct Workspace {
    fileprivate let at: UnsafeMutablePointer<UnsafePointer<Float>>
    fileprivate let half: UnsafeMutablePointer<Float>
  }

  private let height: Int
  private let width: Int
  private let dilation: Int
  /// Along each axis, the pixel before a tile's first output: outputs are at `first + dilation · (1…4)`, from inputs at
  /// `first + dilation · (0…5)`, those within the map.
  let rows: [Int]
  let columns: [Int]
  private let zeros: Buffer

  init(_ geometry: ConvolutionGeometry) {
    func cut(_ size: Int) -> [Int] {
      (0..<min(geometry.dilation, size)).flatMap { start in
        stride(from: start, to: size, by: 4 * geometry.dilation).map { $0 - geometry.dilation }
      }
    }
    (height, width, dilation) = (geometry.height, geometry.width, geometry.dilation)
    (rows, columns) = (cut(height), cut(width))
    zeros = Buffer(count: max(geometry.inputs, geometry.outputs))
    zeros.data.update(repeating: 0, count: zeros.count)
  }

  /// Tiles of a map, by rows.
  var count: Int { rows.count * columns.count }

  /// Whether the tiles, 36 products each, need at most 5 products a pixel, where the plain definition needs 9. Tiles
  /// that lie within the map need 36 / 16; the rest pays for the transforms.
  var saveEnough: Bool { 36 * count <= 5 * height * width }

  /// Zeros for as many channels as there are.
  var nothing: UnsafePointer<Float> { UnsafePointer(zeros.data) }

  static func withWorkspace(_ body: (Workspace) -> Void) {
    withScratch(of: UnsafePointer<Float>.self, count: 36) { at in
      withScratch(of: Float.self, count: 36 * 16) { body(Workspace(at: at, half: $0)) }
    }
  }

  /// Bᵀ d B of a tile of x.
  func transformInput(
    _ x: UnsafePointer<Float>, _ tile: Int, channels: Int, into to: UnsafeMutablePointer<Float>, _ layout: Layout,
    _ workspace: Workspace
  ) {
    let (at, half, plane) = (workspace.at, workspace.half, layout.plane)
    let (row, column) = (rows[tile / columns.count], columns[tile % columns.count])
    for i in 0..<36 {
      let y = row + i / 6 * dilation, x0 = column + i % 6 * dilation
      let inside = y >= 0 && y < height && x0 >= 0 && x0 < width
      at[i] = inside ? x + (y * width + x0) * channels : nothing
    }
    for c in stride(from: 0, to: channels, by: 16) {
      for j in 0..<6 {
        let d: W.Six = (
          W.load(at[j] + c), W.load(at[6 + j] + c), W.load(at[12 + j] + c), W.load(at[18 + j] + c),
          W.load(at[24 + j] + c), W.load(at[30 + j] + c)
        )
        W.storeSix(W.input(d), half + j * 16, 6 * 16)
      }
      let to = to + c / 16 * layout.group
      for i in 0..<6 {
        W.storeSix(W.input(W.loadSix(half + i * 6 * 16, 16)), to + i * 6 * plane, plane)
      }
    }
  }

  /// A dy Aᵀ of a tile of the gradient of y.
  func transformGradient(
    _ dy: UnsafePointer<Float>, _ tile: Int, channels: Int, into to: UnsafeMutablePointer<Float>, _ layout: Layout,
    _ workspace: Workspace
  ) {
    let (at, half, plane) = (workspace.at, workspace.half, layout.plane)
    let (row, column) = (rows[tile / columns.count], columns[tile % columns.count])
    for i in 0..<16 {
      let y = row + (i / 4 + 1) * dilation, x = column + (i % 4 + 1) * dilation
      at[i] = y < height && x < width ? dy + (y * width + x) * channels : nothing
    }
    for c in stride(from: 0, to: channels, by: 16) {
      for j in 0..<4 {
        let d: W.Four = (W.load(at[j] + c), W.load(at[4 + j] + c), W.load(at[8 + j] + c), W.load(at[12 + j] + c))
        W.storeSix(W.outputAdjoint(d), half + j * 16, 4 * 16)
      }
      let to = to + c / 16 * layout.group
      for i in 0..<6 {
        let line = UnsafePointer(half + i * 4 * 16)
        let d: W.Four = (W.load(line), W.load(line + 16), W.load(line + 32), W.load(line + 48))
        W.storeSix(W.outputAdjoint(d), to + i * 6 * plane, plane)
      }
    }
  }

  /// Writes Aᵀ m A of a tile, plus the bias.
  ///
  /// - Parameter plane: floats from one plane of `from` to the next.
  func writeOutput(
    _ from: UnsafePointer<Float>, _ tile: Int, plane: Int, into output: Output, _ workspace: Workspace
  ) {
    let (y, channels, bias, half) = (output.map, output.channels, output.bias, workspace.half)
    let (row, column) = (rows[tile / columns.count], columns[tile % columns.count])
    for c in stride(from: 0, to: channels, by: 16) {
      for j in 0..<6 {
        let v = W.output(W.loadSix(from + j * plane + c, 6 * plane))
        W.store(v.0, half + j * 16)
        W.store(v.1, half + (6 + j) * 16)
        W.store(v.2, half + (12 + j) * 16)
        W.store(v.3, half + (18 + j) * 16)
      }
      let offset = UnsafeRawPointer(bias + c).loadUnaligned(as: W.Lanes.self)
      for i in 0..<4 {
        let oy = row + (i + 1) * dilation
        guard oy < height else { break }
        let v = W.output(W.loadSix(half + i * 6 * 16, 16))
        var ox = column + dilation
        var to = y + (oy * width + ox) * channels + c
        W.store(v.0 + offset, to)
        ox += dilation
        to += dilation * channels
        guard ox < width else { continue }
        W.store(v.1 + offset, to)
        ox += dilation
        to += dilation * channels
        guard ox < width else { continue }
        W.store(v.2 + offset, to)
        ox += dilation
        to += dilation * channels
        guard ox < width else { continue }
        W.store(v.3 + offset, to)
      }
    }
  }
}
