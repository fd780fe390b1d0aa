import Checkpoint
import Files
import Foundation
import HDF5

/// The weights of a file under the names of the published code, and what was left out of it.
public struct NamedWeights: Sendable {
  /// The file's name in messages.
  public let source: String
  public let names: WeightNames
  /// By published name: float32, or int64 where the file has integers.
  public let tensors: [String: StoredDataset]

  /// Reads a weights file of any kind: safetensors, or HDF5 (its group `network`); its content tells which.
  ///
  /// - Parameters:
  ///   - network: of a checkpoint; nil for the teacher once semi-supervised training has begun, else the student.
  ///   - prefix: of the network to take, where the names of a file tell of several.
  /// - Throws: ``CheckpointError`` that says what the file is, where it is none of these.
  public init(_ path: String, network: String? = "student", prefix: String? = nil) throws {
    source = path
    switch try WeightsFormat(of: path) {
    case .safetensors:
      let file = try SafetensorsFile(path)
      let names = try WeightNames(file.tensors.map(\.name), prefix: prefix, file: path)
      var tensors: [String: StoredDataset] = [:]
      for tensor in file.tensors {
        if let target = names.targets[tensor.name] { tensors[target] = try file.read(tensor) }
      }
      (self.names, self.tensors) = (names, tensors)
    case .hdf5:
      let stored = try WeightsFile.read(path, group: network ?? CheckpointFile.evaluatedNetwork(path))
      let names = try WeightNames(stored.keys, prefix: prefix, file: path)
      self.names = names
      tensors = Dictionary(
        uniqueKeysWithValues: stored.compactMap { name, dataset in names.targets[name].map { ($0, dataset) } })
    }
  }

  init(source: String, names: WeightNames, tensors: [String: StoredDataset]) {
    (self.source, self.names, self.tensors) = (source, names, tensors)
  }

  /// Several files as one, such as the shards of a network, or an encoder and a decoder.
  ///
  /// - Throws: ``CheckpointError`` when two of them hold the same tensor.
  public init(merging files: [NamedWeights]) throws {
    var owners: [String: String] = [:]
    for file in files {
      for name in file.tensors.keys.sorted() {
        if let other = owners.updateValue(file.source, forKey: name) {
          throw CheckpointError(description: "\(other) and \(file.source) both hold \(name); give one of them")
        }
      }
    }
    source = files.map(\.source).joined(separator: ", ")
    names = (files.first { $0.names.kind != .other } ?? files[0]).names
    tensors = files.reduce(into: [:]) { $0.merge($1.tensors) { first, _ in first } }
  }
}

/// The kind of a weights file, by its content.
public enum WeightsFormat: Sendable {
  case safetensors
  case hdf5

  /// - Throws: ``CheckpointError`` when the file cannot be read, or is neither; it says what the file is instead.
  public init(of path: String) throws {
    let descriptor = open(RunDirectory.resolved(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw CheckpointError.system("cannot be read", path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw CheckpointError.system("cannot be read", path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      throw CheckpointError(
        description: "\(path): is not a file\(isFolder ? ", but a folder; name a file in it" : "")")
    }
    var first = [UInt8](repeating: 0, count: 512)
    let count = pread(descriptor, &first, first.count, 0)
    guard count >= 0 else { throw CheckpointError.system("cannot be read", path) }
    first.removeLast(first.count - count)
    // A header shorter than 4 GiB, and its first character.
    if first.count > 8, first[4..<8].allSatisfy({ $0 == 0 }), first[8] == UInt8(ascii: "{") {
      self = .safetensors
    } else if Seal.isPresent(descriptor) || Self.hasHDF5Signature(descriptor) {
      // Before other kinds: a user block may hold anything, such as zeros, or MATLAB's own title.
      self = .hdf5
    } else if let problem = Self.problem(descriptor, first, path) {
      throw CheckpointError(description: "\(path): \(problem)")
    } else if path.hasSuffix(".safetensors") {
      self = .safetensors
    } else {
      throw CheckpointError(
        description:
          "\(path): is neither safetensors nor HDF5, or its beginning is damaged; docs/weights.md says what "
          + "can be read")
    }
  }

  /// What another file is, where its first bytes tell it.
  private static func problem(_ descriptor: Int32, _ first: [UInt8], _ path: String) -> String? {
    if first.isEmpty { return "is empty; fetch the file again" }
    if let pointer = StorePointer(descriptor, path) { return pointer.problem }
    let anew = "docs/weights.md has the two lines that turn it into safetensors"
    // A zip archive; before PyTorch 1.6, a pickle of protocol 2 to 5.
    if first.starts(with: [0x50, 0x4B, 3, 4]) {
      let name = String(decoding: first.dropFirst(30).prefix(64), as: UTF8.self)
      if name.contains(".npy") { return "is an archive of NumPy arrays (npz); save them as safetensors" }
      return "is a file of torch.save, which only Python can read; \(anew)"
    }
    if first[0] == 0x80, first.count > 1, (2...5).contains(first[1]) {
      return "is a file of torch.save, or another pickle, which only Python can read; \(anew)"
    }
    let kinds: [(start: [UInt8], kind: String)] = [
      ([0x1F, 0x8B], "a gzip archive; unpack it with gunzip, or tar -xzf"),
      ([0xFD] + Array("7zXZ".utf8), "an xz archive; unpack it with xz -d, or tar -xJf"),
      ([0x28, 0xB5, 0x2F, 0xFD], "a zstd archive; unpack it with unzstd"),
      (Array("BZh".utf8), "a bzip2 archive; unpack it with bunzip2"),
      (Array("GGUF".utf8), "a GGUF file, which holds language models"),
      ([0x93] + Array("NUMPY".utf8), "a NumPy array; save the tensors as safetensors"),
      (Array("MATLAB".utf8), "a MATLAB file; save its arrays as safetensors"),
    ]
    if let found = kinds.first(where: { first.starts(with: $0.start) }) { return "is \(found.kind)" }
    if first.count > 262, first[257..<262].elementsEqual("ustar".utf8) {
      return "is a tar archive; unpack it with tar -xf"
    }
    if String(decoding: first, as: UTF8.self).trimmingPrefix(while: \.isWhitespace).hasPrefix("<") {
      return "is a web page or another answer of a server, not the file itself; look into it, and fetch the file again"
    }
    if first.allSatisfy({ $0 == 0 }) {
      return "begins with zeros, as a download that broke off leaves them; fetch the file again"
    }
    return nil
  }

  /// At the beginning, or after a user block of 512, 1024, 2048 … bytes.
  private static func hasHDF5Signature(_ descriptor: Int32) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    var offset = 0
    while offset < Int(status.st_size) {
      var bytes = [UInt8](repeating: 0, count: 8)
      if pread(descriptor, &bytes, 8, off_t(offset)) == 8, bytes == [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a] {
        return true
      }
      offset = max(512, offset * 2)
    }
    return false
  }
}

extension CheckpointFile {
  /// The network of a checkpoint that an evaluation takes: the teacher once it follows the student. Of a file that is no
  /// checkpoint of a run, the student.
  public static func evaluatedNetwork(_ path: String) -> String {
    guard let attributes = (try? summary(path))?.attributes else { return "student" }
    if case .string(let network)? = attributes["evaluated_network"] { return network }
    // Earlier checkpoints: the teacher follows from the first semi-supervised step on.
    if case .int(let steps)? = attributes["semi_supervised_steps"], steps > 0 { return "teacher" }
    return "student"
  }
}
