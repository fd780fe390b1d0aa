import Files
import Transforms

/// A NumPy array of `numpy.save`.
///
/// Shapes are H × W, slices × H × W, H × W × channels, or slices × H × W × channels (``ArrayShape``).
struct NumPyReader: SliceReader {
  let header: VolumeHeader
  private let path: String
  private let number: StoredNumber
  private let isSwapped: Bool
  private let isFortran: Bool
  private let dataOffset: Int

  init(_ path: String) throws {
    self.path = path
    let file = try OpenFile(path)
    func problem(_ what: String) -> FileError { FileError(description: "\(path): \(what)") }
    let damaged = "its header is damaged; save the array again with numpy.save"
    let start = try file.bytes(at: 0, count: min(12, file.size))
    guard start.count == 12, (1...3).contains(start[6]) else { throw problem(damaged) }
    // Version 1 has 16 bits for the length of the header, others 32.
    let isFirst = start[6] == 1
    let length = Int(start[8]) | Int(start[9]) << 8 | (isFirst ? 0 : Int(start[10]) << 16 | Int(start[11]) << 24)
    dataOffset = (isFirst ? 10 : 12) + length
    guard length <= 1 << 16, dataOffset <= file.size else { throw problem(damaged) }
    let text = String(decoding: try file.bytes(at: dataOffset - length, count: length), as: UTF8.self)
    guard let fields = NumPyHeader(text) else { throw problem(damaged) }
    guard let (number, isSwapped) = Self.type(fields.type) else {
      let what =
        fields.type.contains("O")
        ? "Python objects" : fields.type.contains("c") ? "complex numbers" : "none that are read"
      throw problem("its values are of type '\(fields.type)', \(what); save them as 16-bit integers or as float32")
    }
    (self.number, self.isSwapped, isFortran) = (number, isSwapped, fields.isFortran)
    guard let shape = ArrayShape(fields.shape) else { throw problem(ArrayShape.refusal(fields.shape)) }
    try Self.requireReadable(
      path, slices: shape.slices, height: shape.height, width: shape.width, channels: shape.channels, size: number.size)
    let bytes = shape.slices * shape.height * shape.width * shape.channels * number.size
    guard bytes <= file.size - dataOffset else {
      throw problem("is cut short: \(file.size) of \(dataOffset + bytes) bytes are there; copy or save it again")
    }
    header = VolumeHeader(
      format: .numpy, slices: shape.slices, height: shape.height, width: shape.width, channels: shape.channels,
      type: number.pixelType, storedType: number.rawValue)
  }

  func stored(_ index: Int) throws -> StoredPixels {
    let file = try OpenFile(path)
    let count = header.height * header.width * header.channels
    let bytes =
      isFortran
      ? try fortran(file, index)
      : try file.bytes(at: dataOffset + index * count * number.size, count: count * number.size)
    return StoredPixels(
      height: header.height, width: header.width, channels: header.channels, number: number, isSwapped: isSwapped,
      bytes: bytes, place: Self.place(path, index, of: header.slices))
  }

  /// In Fortran's order the first index runs fastest: the slices' values of one pixel stand side by side.
  private func fortran(_ file: OpenFile, _ index: Int) throws -> [UInt8] {
    let (height, width, channels, size) = (header.height, header.width, header.channels, number.size)
    var bytes = [UInt8](repeating: 0, count: height * width * channels * size)
    let columnBytes = header.slices * height * size
    for channel in 0..<channels {
      for column in 0..<width {
        let part = try file.bytes(at: dataOffset + (channel * width + column) * columnBytes, count: columnBytes)
        for row in 0..<height {
          let from = (row * header.slices + index) * size
          let to = ((row * width + column) * channels + channel) * size
          for i in 0..<size { bytes[to + i] = part[from + i] }
        }
      }
    }
    return bytes
  }

  /// - Parameter text: such as `<f4`.
  private static func type(_ text: String) -> (StoredNumber, isSwapped: Bool)? {
    let names: [String: StoredNumber] = [
      "b1": .bool, "u1": .uint8, "i1": .int8, "u2": .uint16, "i2": .int16, "u4": .uint32, "i4": .int32, "u8": .uint64,
      "i8": .int64, "f2": .float16, "f4": .float32, "f8": .float64,
    ]
    guard let order = text.first, "<>|=".contains(order), let number = names[String(text.dropFirst())] else {
      return nil
    }
    return (number, order == (isLittle ? ">" : "<"))
  }

  private static let isLittle = 1.littleEndian == 1
}

/// The dictionary of an array's header: a Python literal of three keys.
struct NumPyHeader: Equatable {
  let type: String
  let isFortran: Bool
  let shape: [Int]

  /// - Returns: nil for a text that is no such dictionary.
  init?(_ text: String) {
    guard let type = text.firstMatch(of: #/'descr'\s*:\s*(?:'([^']*)'|(\[))/#),
      let order = text.firstMatch(of: #/'fortran_order'\s*:\s*(True|False)/#),
      let shape = text.firstMatch(of: #/'shape'\s*:\s*\(([0-9, ]*)\)/#)
    else { return nil }
    let extents = shape.1.split(separator: ",").map {
      Int($0.trimmingPrefix(while: { $0 == " " }).prefix { $0 != " " })
    }
    let axes = extents.compactMap { $0 }
    guard axes.count == extents.count, axes.count <= 32 else { return nil }
    // Structured types are lists.
    self.type = type.1.map(String.init) ?? "a list of fields"
    isFortran = order.1 == "True"
    self.shape = axes
  }
}

/// What the axes of an array without names are.
struct ArrayShape: Equatable {
  var slices = 1
  var height = 1
  var width = 1
  var channels = 1
  /// Whether the first axis is that of slices.
  let hasSlices: Bool

  /// Two axes are height × width. Four are slices × height × width × channels. Three are height × width × channels where
  /// the last has at most 32 entries and both others have more; else slices × height × width.
  ///
  /// - Returns: nil for any other number of axes, and for axes of an impossible length.
  init?(_ axes: [Int]) {
    guard axes.allSatisfy({ (0...Int(Int32.max)).contains($0) }) else { return nil }
    switch axes.count {
    case 2:
      (height, width, hasSlices) = (axes[0], axes[1], false)
    case 3 where axes[2] <= VolumeFile.mostChannels && min(axes[0], axes[1]) > VolumeFile.mostChannels:
      (height, width, channels, hasSlices) = (axes[0], axes[1], axes[2], false)
    case 3:
      (slices, height, width, hasSlices) = (axes[0], axes[1], axes[2], true)
    case 4:
      (slices, height, width, channels, hasSlices) = (axes[0], axes[1], axes[2], axes[3], true)
    default: return nil
    }
  }

  static func refusal(_ axes: [Int]) -> String {
    "has the shape [\(axes.map(String.init).joined(separator: ", "))]; [height, width], [height, width, channels], [slices, "
      + "height, width] and [slices, height, width, channels] are read: reshape it"
  }
}
