/// A run that cannot go on.
public struct TrainingError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(description: String) { self.description = description }
}
