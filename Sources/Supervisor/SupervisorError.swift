/// Bad input, with which no attempt can be made: one sentence that names the place and the remedy.
package struct SupervisorError: Error, CustomStringConvertible, Equatable {
  package let description: String

  package init(_ description: String) {
    self.description = description
  }
}
