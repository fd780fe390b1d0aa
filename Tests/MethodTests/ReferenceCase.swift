import Compute
import Transforms
import Foundation
import TestSupport

/// A training run of the PyTorch reference (Tests/Reference): its settings, what each of its steps reports, and tensors
/// after some of them.
struct ReferenceCase: Decodable {
  struct Settings: Decodable {
    struct OHEM: Decodable {
      let threshold: Double
      let min_kept: Int
    }
    let depth, classes, width, features, output_stride, epochs, steps_per_epoch, supervised_epochs: Int
    let low_rank, high_rank, anchors, negatives: Int
    let enqueue_per_step: Int?
    let dilations, capacity: [Int]
    let stem, mix, teacher_buffers: String
    let multi_grid, auxiliary, padding: Bool
    let encoder_width, dropout, mix_probability, lr, head_lr_factor, weight_decay, auxiliary_weight: Double
    let alpha0, delta_p, temperature, lambda_c: Double
    let ema_decay: Decay
    let clip_norm: Double?
    let ohem: OHEM?
    let class_weights: [Double]?
    let seed: UInt64
    // Cases that were computed before a term was there do not name it.
    let dice, weight, alpha_end: Double?
    let threshold, optimizer, schedule, teacher_start: String?
    let warmup_steps: Int?
    let published: [String]?
    let anchor_ema: Bool?
  }
  /// A number, or `auto`.
  struct Decay: Decodable, CustomStringConvertible {
    let description: String
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Double.self) {
        description = "\(number)"
      } else {
        description = try container.decode(String.self)
      }
    }
  }
  struct Step: Decodable {
    let loss, supervised, unsupervised, contrastive, learning_rate: Double
    let gamma, alpha, confidence, gradient_norm: Double?
    let gamma_of_class: [Double?]?
    let reliable: Int
    /// |A_c|, |N_c|, length of Q_c; empty in a supervised step.
    let classes: [[Int]]

    var isSupervised: Bool { classes.isEmpty }
    var numbers: [String: Double?] {
      let ofClass = (gamma_of_class ?? []).enumerated().map { ("gamma of class \($0)", $1) }
      return [
        "loss": loss, "supervised": supervised, "unsupervised": unsupervised, "contrastive": contrastive,
        "gamma": gamma, "confidence": confidence, "gradient norm": gradient_norm, "learning rate": learning_rate,
        "alpha": alpha,
      ].merging(ofClass) { $1 }
    }
    var counts: [String: [Int]] {
      [
        "reliable": [reliable], "anchors": classes.map { $0[0] }, "negatives": classes.map { $0[1] },
        "bank": classes.map { $0[2] },
      ]
    }
  }
  let name: String
  let config: Settings
  let size, labeled, unlabeled: Int
  let steps: [Step]
  /// Steps after which tensors are recorded.
  let recorded: [Int]
  /// Entries recorded of each gradient after the first of these steps; nil for all.
  let gradient_entries: Int?
  /// `num_batches_tracked` after the last step.
  let counters: Counters
  struct Counters: Decodable { let student, teacher: String }

  static func load(_ name: String) throws -> ReferenceCase {
    try loadExpected(ReferenceCase.self, "steps-\(name).json", in: .module)
  }

  /// How much a number changes from step to step, in the mean over steps of the same kind; where no two such steps have it, a
  /// thousandth of it.
  func meanChange(of name: String) -> Double {
    let changes = zip(steps, steps.dropFirst()).compactMap { before, after -> Double? in
      guard before.isSupervised == after.isSupervised, let a = before.numbers[name] ?? nil,
        let b = after.numbers[name] ?? nil
      else { return nil }
      return abs(b - a)
    }
    guard changes.isEmpty else { return changes.reduce(0, +) / Double(changes.count) }
    return 1e-3 * abs(steps.lazy.compactMap { $0.numbers[name] ?? nil }.first ?? 0)
  }

  /// One rank's share of the batch of a step, which the reference makes from the same names.
  func batch(step: Int, rank: Int, ranks: Int) -> Batch {
    func share(_ count: Int) -> Range<Int> { rank * count / ranks..<(rank + 1) * count / ranks }
    let plane = size * size
    let labels = blockLabels("yl\(step)", count: labeled, size: size, classes: config.classes)
    let padding = padding(step)
    let (xl, xu) = (images("xl\(step)", labeled), images("xu\(step)", unlabeled))
    return Batch(
      step: step,
      labeled: share(labeled).map {
        Example(height: size, width: size, pixels: xl[$0], labels: Array(labels[$0 * plane..<($0 + 1) * plane]))
      },
      unlabeled: share(unlabeled).map { image in
        let isPadding = padding[image * plane..<(image + 1) * plane]
        var pixels = xu[image]
        for (p, isPadding) in isPadding.enumerated() where isPadding {
          for c in 0..<3 { pixels[p * 3 + c] = 0 }
        }
        return Example(height: size, width: size, pixels: pixels, labels: isPadding.map { $0 ? 255 : 0 })
      },
      identifiers: [])
  }

  /// Pixels of `count` images, each H × W × 3.
  private func images(_ name: String, _ count: Int) -> [[Float]] {
    let shape = [count, 3, size, size], one = 3 * size * size
    let pixels = channelsLast(uniform(name, count * one).map { $0 * 2 }, shape)
    return (0..<count).map { Array(pixels[$0 * one..<($0 + 1) * one]) }
  }

  /// Where the unlabeled crops reach beyond their images, N × H × W: rows at the bottom and columns on the right.
  private func padding(_ step: Int) -> [Bool] {
    let cut = hashed("pad\(step)", 2 * unlabeled).map { config.padding ? Int($0 % UInt64(size / 3)) : 0 }
    return (0..<unlabeled).flatMap { image in
      (0..<size).flatMap { y in
        (0..<size).map { x in y >= size - cut[2 * image] || x >= size - cut[2 * image + 1] }
      }
    }
  }
}

/// Tensors of the reference after some steps: make_expected.py, `Recording`, says how they lie in the file.
struct ReferenceTensors {
  /// Entries that are kept of a tensor that has more, where nothing else is said.
  static let entries = 64

  /// What is kept of one tensor.
  struct Record {
    /// Root mean square of all entries.
    let rms: Double
    /// Entries at `positions` of the flattened tensor.
    let entries: [Double]
    let positions: [Int]
    /// What entries are rounded to.
    let unit: Double

    /// The greatest difference from an entry here, beyond what rounding explains; infinite where one is not a number.
    func distance(_ entry: (Int) -> Double) -> Double {
      zip(positions, entries).reduce(0) { worst, expected in
        let difference = abs(entry(expected.0) - expected.1) - unit / 2
        return difference.isNaN ? .infinity : max(worst, difference)
      }
    }
  }
  private var bytes: Data

  init(_ name: String) throws {
    guard let url = Bundle.module.url(forResource: "Expected/steps-\(name).bin", withExtension: nil) else {
      throw ComputeError(description: "no resource Expected/steps-\(name).bin")
    }
    bytes = try Data(contentsOf: url)
  }

  var isAtEnd: Bool { bytes.isEmpty }

  /// - Parameters:
  ///   - count: elements of the tensor.
  ///   - limit: most entries that are kept; nil for all.
  mutating func next(count: Int, limit: Int?) -> Record {
    let n = min(limit ?? count, count)
    let rms = Double(take(Float.self)), unit = Double(take(Float.self)) / 32767
    let entries = (0..<n).map { _ in Double(take(Int16.self)) * unit }
    return Record(
      rms: rms, entries: entries, positions: (0..<n).map { $0 * (count - 1) / max(n - 1, 1) }, unit: unit)
  }

  private mutating func take<T: BitwiseCopyable>(_ type: T.Type) -> T {
    let size = MemoryLayout<T>.size
    defer { bytes = bytes.dropFirst(size) }
    return bytes.withUnsafeBytes { $0.loadUnaligned(as: type) }
  }
}
