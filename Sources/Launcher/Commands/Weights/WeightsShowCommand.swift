import ArgumentParser
import Foundation
import HDF5
import Weights

extension WeightsCommand {
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the tensors of a safetensors or HDF5 file: names, shapes, types, and whose names they are.")

    @Argument(help: "A file: .safetensors, or HDF5.") var file: String

    func run() throws {
      try WeightsCommand.run {
        let listing = try WeightsListing(file)
        let numbers = listing.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
        let bytes = listing.tensors.reduce(0) { $0 + $1.bytes }
        print(
          "\(file): \(listing.format), \(listing.tensors.count) tensors, \(numbers) numbers, "
            + WeightsCommand.megabytes(bytes))
        for (key, value) in listing.metadata.sorted(by: { $0.key < $1.key }) { print("  \(key): \(value)") }
        for line in WeightsRecognition.lines(listing) { print("  \(line)") }
        print("")
        let widest = listing.tensors.map(\.path.count).max() ?? 0
        for tensor in listing.tensors {
          print(
            "  \(tensor.path.padding(toLength: widest, withPad: " ", startingAt: 0))  "
              + "\(tensor.type.padding(toLength: 8, withPad: " ", startingAt: 0))  \(tensor.shape)")
        }
      }
    }
  }
}
