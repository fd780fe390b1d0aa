import Configuration
import Dataset
import Foundation
import Trainer
import Transforms

/// Images that might be labeled next: those of lists, folders and files, or of the configuration's unlabeled list,
/// except those of the labeled and the validation list.
struct Candidates {
  struct Candidate {
    /// The image's line in a list.
    let line: String
    let path: String
    let read: () throws -> (Raster, ImageFacts?)
  }

  private(set) var images: [Candidate] = []
  /// Lines for the user: what was left out.
  private(set) var notes: [String] = []
  private let data: Configuration.Data
  private let source: DataSource?

  /// - Parameters:
  ///   - arguments: images, folders and lists; empty for the unlabeled list.
  ///   - output: the folder of results.
  /// - Throws: ``ConfigurationFailure`` or ``DatasetError``.
  init(_ arguments: [String], _ data: Configuration.Data, output: String) throws {
    self.data = data
    source = arguments.isEmpty ? try DataSource(data) : try? DataSource(data)
    if arguments.isEmpty {
      guard let set = try source?.open(.unlabeled) else {
        throw ConfigurationFailure(
          description: "the checkpoint's configuration has no data.unlabeled; name images, a folder or a list")
      }
      try set.requireComplete()
      add(set)
    }
    var files: [String] = []
    for argument in arguments {
      // A list that the data set's layout can read; any other is a list of paths.
      if argument.lowercased().hasSuffix(".txt"), FileManager.default.fileExists(atPath: argument),
        data.kind != .shapes, let set = try? source?.open(list: Self.absolute(argument), labeled: false),
        set.problems.isEmpty
      {
        add(set)
      } else {
        files.append(argument)
      }
    }
    if !files.isEmpty {
      for image in try PredictInputs(files, root: data.root, output: output, distinct: false).images {
        images.append(
          Candidate(
            line: line(of: image.path), path: image.path, read: { try ImagePlace(image.path).read(data.imageForm) }))
      }
    }
    removeDoubles()
    removeKnown()
  }

  private mutating func add(_ set: any ImageSet) {
    for index in 0..<set.count {
      images.append(
        Candidate(
          line: set.line(index), path: set.source(index).image,
          read: { try set.namingOrigin(of: index) { try set.decoded(index) } }))
    }
  }

  private static func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }

  /// An image that several arguments name is one candidate.
  private mutating func removeDoubles() {
    var seen: Set<String> = []
    images = images.filter { seen.insert(Self.identity($0.path)).inserted }
  }

  /// Leaves out the images of the labeled and the validation list.
  private mutating func removeKnown() {
    for (role, what) in [(ListRole.labeled, "labeled already"), (.validation, "for validation")] {
      guard let set = try? source?.open(role) else { continue }
      let known = Set((0..<set.count).map { Self.identity(set.source($0).image) })
      let rest = images.filter { !known.contains(Self.identity($0.path)) }
      if rest.count < images.count {
        notes.append("\(images.count - rest.count) of the images are \(what) and left out")
      }
      images = rest
    }
  }

  private static func identity(_ path: String) -> String { PredictInputs.canonical(path) }

  /// What the lists of the data set call a file: its ID or its path if it lies where the layout looks for images, else
  /// the path given.
  private func line(of path: String) -> String {
    let file = Self.identity(path)
    func below(_ folder: String) -> String? {
      let folder = Self.identity(folder) + "/"
      return file.hasPrefix(folder) ? String(file.dropFirst(folder.count)) : nil
    }
    func stem(_ name: String) -> String {
      let suffix = URL(fileURLWithPath: name).pathExtension
      return suffix.isEmpty ? name : String(name.dropLast(suffix.count + 1))
    }
    switch data.kind {
    case .voc: return below("\(data.root)/JPEGImages").map(stem) ?? below(data.root) ?? path
    case .folder: return below("\(data.root)/images").map(stem) ?? path
    case .cityscapes: return below(data.root) ?? path
    case .hdf5, .shapes: return path
    }
  }
}
