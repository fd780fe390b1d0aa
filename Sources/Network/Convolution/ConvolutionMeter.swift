/// Times every convolution of a process while a benchmark asks for it.
public enum ConvolutionMeter {
  public enum Direction: String, CaseIterable, Sendable {
    case forward = "forward"
    case backwardData = "backward data"
    case backwardWeights = "backward weights"
  }

  /// What calls of one layer in one direction on maps of one size have cost.
  public struct Entry: Sendable {
    /// The layer's name, as its parameters have it.
    public let layer: String
    public let direction: Direction
    /// Such as `256→512 3×3/2 d2 on 33×33`: channels, kernel, stride, dilation, input map.
    public let shape: String
    public let method: String
    /// Multiplications and additions of the plain definition, taps outside the map included.
    public var operations = 0.0
    public var seconds = 0.0
    public var samples = 0
  }

  /// Entries in the order of their first call. Written by the training thread only, as it computes.
  nonisolated(unsafe) private static var entries: [Entry]?
  nonisolated(unsafe) private static var places: [String: Int] = [:]

  /// Begins to count anew.
  public static func start() {
    entries = []
    places = [:]
  }

  /// Ends counting.
  public static func stop() -> [Entry] {
    defer { entries = nil }
    return entries ?? []
  }

  static func measure(
    _ layer: String, _ direction: Direction, _ geometry: ConvolutionGeometry, samples: Int, _ body: () throws -> Void
  ) rethrows {
    guard entries != nil else { return try body() }
    let seconds = try ContinuousClock().measure(body) / .seconds(1)
    let key = "\(layer) \(direction) \(geometry.height)×\(geometry.width)"
    let place = places[key] ?? entries!.count
    if place == entries!.count {
      places[key] = place
      entries!.append(
        Entry(layer: layer, direction: direction, shape: geometry.description, method: geometry.methodName))
    }
    entries![place].operations += geometry.operations * Double(samples)
    entries![place].seconds += seconds
    entries![place].samples += samples
  }
}
