import Compute
import Distributed
import Foundation
import Method
import Network
import TestSupport
import XCTest

/// What is computed per pixel of upsampled logits, against the PyTorch reference in float64.
final class PixelTests: XCTestCase {
  private struct Expected: Decodable {
    let upsampled, supervised_gradient, entropy, unsupervised_gradient, rank: Probe
    let supervised, gamma, unsupervised: Double
    let reliable: Int
    let nearest: [[[Int]]]
  }

  private let (height, width, classes) = (33, 25, 5)
  private let logits = tensor(nchw: uniform("logits", 2 * 5 * 9 * 7), [2, 5, 9, 7], scale: 4)
  private var pixels: UpsampledPixels { UpsampledPixels(logits: logits, height: height, width: width) }
  private var labels: [UInt8] {
    let square = blockLabels("y", count: 2, size: 33, classes: 5, block: 4)
    return (0..<66).flatMap { square[$0 * 33..<$0 * 33 + 25] }
  }

  private func expected() throws -> Expected { try loadExpected(Expected.self, "pixels.json", in: .module) }

  /// Norm and entries to 1e-5, an entry relative to itself or, if it is smaller, to the tensor's root mean square.
  private func assertEqual(_ got: [Float], _ expected: Probe, _ name: String) {
    let probe = Probe(of: got)
    XCTAssertTrue(agree(probe.norm, expected.norm, 1e-5), "\(name): norm \(probe.norm), reference \(expected.norm)")
    let scale = expected.norm / Double(got.count).squareRoot()
    for (a, b) in zip(probe.values!, expected.values!) {
      XCTAssertTrue(agree(a, b, 1e-5, scale: scale), "\(name): \(a), reference \(b)")
    }
  }

  func testUpsampledLogitsAndEntropy() throws {
    let expected = try expected()
    assertEqual((0..<2).flatMap { pixels.upsampled(logits, sample: $0) }, expected.upsampled, "upsampled")
    assertEqual(pixels.entropy(logits, samples: 0..<2), expected.entropy, "entropy")
    XCTAssertEqual(pixels.entropy(logits, samples: 1..<2), Array(pixels.entropy(logits, samples: 0..<2)[825...]))
  }

  func testSupervisedLossAndGradient() throws {
    let expected = try expected()
    let valid = labels.count { $0 != ignoreLabel }
    let gradient = Tensor(like: logits)
    gradient.fill(.nan)
    let sums = pixels.crossEntropy(
      logits, samples: 0..<2, labels: labels, scale: 1 / Float(valid), gradient: gradient)
    XCTAssertTrue(agree(sums.reduce(0, +) / Double(valid), expected.supervised, 1e-5))
    assertEqual(nchw(gradient), expected.supervised_gradient, "supervised gradient")
  }

  func testReliabilityAndUnsupervisedLoss() throws {
    let expected = try expected()
    let entropy = pixels.entropy(logits, samples: 0..<2)
    let gamma = try entropy.withUnsafeBufferPointer { try Communicator.alone.percentile(80, of: $0) }
    XCTAssertTrue(agree(gamma ?? .nan, expected.gamma, 1e-5))
    var pseudo = (0..<2).flatMap { pixels.prediction(logits, sample: $0).classes }
    for p in pseudo.indices where Double(entropy[p]) >= gamma! { pseudo[p] = ignoreLabel }
    let reliable = pseudo.count { $0 != ignoreLabel }
    XCTAssertEqual(reliable, expected.reliable)
    let scale = Double(pseudo.count) / Double(reliable * reliable)
    let gradient = Tensor(like: logits)
    let sums = pixels.crossEntropy(
      logits, samples: 0..<2, labels: pseudo, scale: Float(scale), gradient: gradient)
    XCTAssertTrue(agree(sums.reduce(0, +) * scale, expected.unsupervised, 1e-5))
    assertEqual(nchw(gradient), expected.unsupervised_gradient, "unsupervised gradient")
  }

  /// O(c), seen through the candidates: unreliable pixels are negatives of the classes with r_l ≤ O(c) < r_h.
  func testRankOfEachClass() throws {
    var ranks = [Float](repeating: -1, count: logits.elements)
    for rank in 0..<classes {
      var settings = try configuration(classes: classes, "").u2pl
      (settings.lowRank, settings.highRank) = (rank, rank + 1)
      let candidates = Candidates(
        logits: logits,
        Candidates.Maps(
          labels: [UInt8](repeating: ignoreLabel, count: 126), unreliable: [Bool](repeating: true, count: 126),
          labeledCount: 0), settings)
      for sample in 0..<2 {
        for c in 0..<classes {
          for pixel in candidates.negatives[sample][c] {
            XCTAssertEqual(ranks[(sample * classes + c) * 63 + Int(pixel)], -1)
            ranks[(sample * classes + c) * 63 + Int(pixel)] = Float(rank)
          }
        }
      }
    }
    assertEqual(ranks, try expected().rank, "rank")
    XCTAssertFalse(ranks.contains(-1))
  }

  func testNearest() throws {
    let rows = nearestIndices(source: height, target: 9), columns = nearestIndices(source: width, target: 7)
    let labels = labels
    let small = (0..<2).map { n in
      rows.map { y in columns.map { Int(labels[(n * height + y) * width + $0]) } }
    }
    XCTAssertEqual(small, try expected().nearest)
  }

  /// Softmax of the upsampled logits once more, in double precision.
  func testPredictionAndLabelProbability() {
    let (labels, plane) = (labels, height * width)
    for sample in 0..<2 {
      let upsampled = pixels.upsampled(logits, sample: sample).map(Double.init)
      let (predicted, confidence) = pixels.prediction(logits, sample: sample)
      let probability = pixels.labelProbability(
        logits, samples: sample..<sample + 1, labels: Array(labels[sample * plane..<(sample + 1) * plane]))
      for p in 0..<plane {
        let exps = (0..<classes).map { exp(upsampled[$0 * plane + p]) }
        let sum = exps.reduce(0, +), greatest = exps.max()!
        XCTAssertEqual(Int(predicted[p]), exps.firstIndex(of: greatest))
        XCTAssertEqual(Double(confidence[p]), greatest / sum, accuracy: 1e-6)
        let label = labels[sample * plane + p]
        if label == ignoreLabel {
          XCTAssertEqual(probability[p], 2)
        } else {
          XCTAssertEqual(Double(probability[p]), exps[Int(label)] / sum, accuracy: 1e-6)
        }
      }
    }
  }

  func testTiesGoToTheLowerClass() {
    let flat = Tensor(count: 1, height: 3, width: 3, channels: 4)
    for i in 0..<36 { flat.data[i] = [1, 2, 2, 0][i % 4] }
    let pixels = UpsampledPixels(logits: flat, height: 9, width: 9)
    XCTAssertEqual(pixels.prediction(flat, sample: 0).classes, [UInt8](repeating: 1, count: 81))
  }

  func testLossOfASampleAloneAndOfIgnoredPixels() {
    let plane = height * width
    let gradient = Tensor(like: logits)
    gradient.fill(7)
    let both = pixels.crossEntropy(logits, samples: 0..<2, labels: labels, scale: 0.5, gradient: gradient)
    let whole = nchw(gradient)
    gradient.fill(7)
    let second = pixels.crossEntropy(
      logits, samples: 1..<2, labels: Array(labels[plane...]), scale: 0.5, gradient: gradient)
    XCTAssertEqual(second, [both[1]])
    XCTAssertEqual(nchw(gradient), [Float](repeating: 7, count: 315) + whole[315...])

    let ignored = [UInt8](repeating: ignoreLabel, count: 2 * plane)
    XCTAssertEqual(pixels.crossEntropy(logits, samples: 0..<2, labels: ignored, scale: 1, gradient: gradient), [0, 0])
    XCTAssertEqual(nchw(gradient), [Float](repeating: 0, count: 630))
  }

  /// Loss and gradient are linear in the weights: those of each class alone add up to those of all.
  func testClassWeightsAreFactorsOfPixels() {
    let classes = logits.channels
    func run(_ weights: [Float]?) -> (sums: [Double], gradient: [Float]) {
      let gradient = Tensor(like: logits)
      let sums = pixels.crossEntropy(
        logits, samples: 0..<2, labels: labels, weights: weights, scale: 0.5, gradient: gradient)
      return (sums, nchw(gradient))
    }
    let weights = (0..<classes).map { 0.3 + Float($0) }
    let alone = (0..<classes).map { c in run((0..<classes).map { $0 == c ? 1 : 0 }) }
    for (factors, got) in [(weights, run(weights)), ([Float](repeating: 1, count: classes), run(nil))] {
      for sample in 0..<2 {
        let sum = (0..<classes).reduce(0.0) { $0 + Double(factors[$1]) * alone[$1].sums[sample] }
        XCTAssertEqual(got.sums[sample], sum, accuracy: 1e-6 * abs(sum))
      }
      let largest = got.gradient.map(abs).max() ?? 0
      for (i, value) in got.gradient.enumerated() {
        let sum = (0..<classes).reduce(Float(0)) { $0 + factors[$1] * alone[$1].gradient[i] }
        XCTAssertEqual(value, sum, accuracy: 1e-5 * largest)
      }
    }
    XCTAssertGreaterThan(alone.count { $0.sums != [0, 0] }, 1, "one class alone shows nothing")
  }

  func testThreadsDoNotChangeABit() {
    let before = ThreadPool.threads
    defer { ThreadPool.threads = before }
    let results = [1, 2, 3].map { threads in
      ThreadPool.threads = threads
      let gradient = Tensor(like: logits)
      let sums = pixels.crossEntropy(logits, samples: 0..<2, labels: labels, scale: 0.1, gradient: gradient)
      return sums + nchw(gradient).map(Double.init) + pixels.entropy(logits, samples: 0..<2).map(Double.init)
        + pixels.upsampled(logits, sample: 1).map(Double.init)
    }
    XCTAssertTrue(results[0] == results[1] && results[0] == results[2])
  }
}
