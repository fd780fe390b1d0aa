import Distributed
import Network

/// The communicator as the network sees it: sums along the slot tree, and gradients that are exchanged while the backward
/// pass goes on.
struct OrderedRanks: RankReducer {
  let ranks: Communicator
  let exchange: any GradientExchange
  let hooks: any StepHooks
  var isFirst: Bool { ranks.rank == 0 }

  func reduce(_ values: inout [Double], _ combine: (inout [Double], [Double]) -> Void) throws {
    // Also where there is nobody to wait for.
    hooks.advanced()
    try ranks.orderedReduce(&values, movingOn: exchange, combine)
  }

  func gradientReady(_ elements: Range<Int>) throws { try exchange.ready(elements) }
}
