/// Input that no attempt can be made with, in one sentence that names the place and what to do.
package struct SupervisorError: Error, CustomStringConvertible, Equatable {
  package let description: String

  package init(_ description: String) {
    self.description = description
  }
}
