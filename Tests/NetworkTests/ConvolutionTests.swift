import Compute
import Network
import XCTest

/// Convolutions, forward and backward, against plain loops.
final class ConvolutionTests: XCTestCase {
  private struct Shape {
    let inputs, outputs, kernel, stride, dilation: Int
    let bias: Bool
    let height, width: Int
  }

  private func check(
    _ s: Shape, labeled: Int = 1, unlabeled: Int = 2, kind: SlotKind = .all, needsInput: Bool = true
  ) throws {
    let parameters = Parameters(trainable: true)
    let layer = Convolution(
      parameters, "layer",
      .init(s.inputs, s.outputs, kernel: s.kernel, stride: s.stride, dilation: s.dilation, bias: s.bias))
    let check = GradientCheck("\(s)", parameters)
    let pass = Pass.training(labeled: labeled, unlabeled: unlabeled, kind: kind)
    let samples = (kind == .unlabeled ? 0 : labeled) + (kind == .labeled ? 0 : unlabeled)
    let x = GradientCheck.map("x", count: samples, height: s.height, width: s.width, channels: s.inputs)
    try check.run([x]) { x in
      [try layer.forward(x[0], pass)]
    } backward: { dy in
      let dx = try layer.backward(dy[0], pass, needsInput: needsInput)
      XCTAssertEqual(dx == nil, !needsInput)
      return [dx]
    } reference: { x, values in
      [
        Plain.convolution(
          x[0], values["layer.weight"]!, bias: values["layer.bias"], stride: s.stride, dilation: s.dilation)
      ]
    }
  }

  func testKernelsStridesAndDilations() throws {
    for (kernel, stride, dilation) in [
      (1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 2, 2), (3, 1, 4), (7, 2, 1), (7, 1, 1),
    ] {
      // Odd and even sizes, with and without bias, channel counts that fill a vector register and that do not.
      try check(
        Shape(
          inputs: 3, outputs: 5, kernel: kernel, stride: stride, dilation: dilation, bias: true, height: 9, width: 8))
      try check(
        Shape(
          inputs: 16, outputs: 8, kernel: kernel, stride: stride, dilation: dilation, bias: false, height: 6, width: 7))
    }
  }

  /// With dilation 12 on a map smaller than that, only the middle tap falls inside; on 14 rows, some of the others do.
  func testTapsOutsideTheMap() throws {
    for (height, width) in [(5, 9), (14, 5), (13, 25)] {
      try check(
        Shape(inputs: 4, outputs: 6, kernel: 3, stride: 1, dilation: 12, bias: true, height: height, width: width))
    }
    try check(Shape(inputs: 16, outputs: 16, kernel: 3, stride: 1, dilation: 36, bias: false, height: 6, width: 6))
  }

  func testMapOfOnePixel() throws {
    try check(Shape(inputs: 7, outputs: 16, kernel: 1, stride: 1, dilation: 1, bias: false, height: 1, width: 1))
    try check(Shape(inputs: 8, outputs: 3, kernel: 3, stride: 2, dilation: 1, bias: true, height: 1, width: 1))
  }

  func testSlotsOfOneKind() throws {
    let shape = Shape(inputs: 3, outputs: 4, kernel: 3, stride: 1, dilation: 1, bias: true, height: 5, width: 5)
    try check(shape, labeled: 2, unlabeled: 2)
    try check(shape, labeled: 2, unlabeled: 4, kind: .labeled)
    try check(shape, labeled: 2, unlabeled: 4, kind: .unlabeled)
  }

  func testTheImagesGradientCanBeLeftOut() throws {
    let shape = Shape(inputs: 3, outputs: 8, kernel: 3, stride: 2, dilation: 1, bias: false, height: 9, width: 9)
    try check(shape, needsInput: false)
  }

  /// A sample's result has the same bits whatever its neighbours are.
  func testSamplesDoNotDependOnTheirNeighbours() throws {
    let parameters = Parameters(trainable: true)
    let layer = Convolution(parameters, "layer", .init(16, 24, kernel: 3))
    _ = GradientCheck("alone", parameters)
    let three = GradientCheck.map("x", count: 3, height: 9, width: 7, channels: 16).tensor
    let together = Map(try layer.forward(three, .evaluation(samples: 3)))
    let second = Tensor(count: 1, height: 9, width: 7, channels: 16)
    second.data.update(from: three.sample(1), count: three.sampleStride)
    let alone = Map(try layer.forward(second, .evaluation(samples: 1)))
    XCTAssertEqual(alone.values, Array(together.values[alone.values.count..<2 * alone.values.count]))
  }

  /// Weights are packed into a layout of the library's own; a change of the parameters has to reach that copy.
  func testChangedWeightsAreUsed() throws {
    let parameters = Parameters(trainable: true)
    let layer = Convolution(parameters, "layer", .init(3, 8, kernel: 3))
    let check = GradientCheck("change", parameters)
    let x = GradientCheck.map("x", count: 1, height: 5, width: 5, channels: 3)
    let before = Map(try layer.forward(x.tensor, .evaluation(samples: 1)))
    for i in parameters.values.indices { parameters.values[i] *= -2 }
    parameters.markChanged()
    let after = Map(try layer.forward(x.tensor, .evaluation(samples: 1)))
    XCTAssertEqual(after.values, before.values.map { -2 * $0 })
    XCTAssertEqual(check.values["layer.weight"]?.shape, [8, 3, 3, 3])
  }
}
