import ArgumentParser
import Dataset
import Foundation
import Network

extension Bench {
  struct Layers: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Times every convolution of a training step: forward, backward to its input, backward to its weights.",
      discussion: """
        Layers of one shape are one line, in milliseconds a sample, with packing of weights in it, and as a share of what
        matrix products reach on the same threads. Operations are those of the plain definition: Winograd's method and taps
        left out because they lie beyond the map show as shares above 100 %.
        """)

    @OptionGroup var options: StepOptions

    func run() throws {
      try RankedProcess.run { ranks in
        let measured = try Measured(options, ranks: ranks)
        guard ranks.rank == 0 else { return }
        RankedProcess.say(Self.table(measured))
      }
    }

    /// One line a shape and method, in the order of the network.
    static func table(_ measured: Measured) -> String {
      struct Line {
        let shape: String, method: String
        var layers: Set<String> = []
        var cost: [ConvolutionMeter.Direction: (operations: Double, seconds: Double, samples: Int)] = [:]
      }
      var lines: [Line] = []
      for entry in measured.result.convolutions {
        let at = lines.firstIndex { $0.shape == entry.shape && $0.method == entry.method } ?? lines.count
        if at == lines.count { lines.append(Line(shape: entry.shape, method: entry.method)) }
        lines[at].layers.insert(entry.layer)
        let (operations, seconds, samples) = lines[at].cost[entry.direction] ?? (0, 0, 0)
        lines[at].cost[entry.direction] = (
          operations + entry.operations, seconds + entry.seconds, samples + entry.samples
        )
      }
      func cell(_ line: Line, _ direction: ConvolutionMeter.Direction) -> String {
        guard let cost = line.cost[direction] else { return String(repeating: " ", count: 18) }
        return String(
          format: "%9.2f ms %4.0f %%", cost.seconds / Double(cost.samples) * 1e3,
          cost.operations / cost.seconds / measured.measuredPeak * 100)
      }
      let steps = Double(measured.result.times.count)
      let head =
        "shape                            method    layers           forward     backward data  backward weights    s a step"
      let rows = lines.map { line in
        line.shape.padding(toLength: 32, withPad: " ", startingAt: 0) + " "
          + line.method.padding(toLength: 9, withPad: " ", startingAt: 0)
          + String(format: "%7d", line.layers.count)
          + ConvolutionMeter.Direction.allCases.map { cell(line, $0) }.joined()
          + String(format: "%12.4f", line.cost.values.reduce(0) { $0 + $1.seconds } / steps)
      }
      let total = String(
        format: "all: %.3f s of the step's %.3f s, %.1f GFLOP/s; measured peak %.1f GFLOP/s on %d threads",
        measured.convolutionSeconds, measured.seconds, measured.operations / measured.convolutionSeconds * 1e-9,
        measured.measuredPeak * 1e-9, measured.threads)
      return ([head] + rows + [total]).joined(separator: "\n")
    }
  }
}
