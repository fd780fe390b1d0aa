/// Which of a batch's two kinds of sample a reduction runs over.
public enum SlotKind: Sendable { case all, labeled, unlabeled }

/// The fixed binary tree over the slots of a batch along which every sum over samples is taken.
///
/// T = T(first half) + T(second half), where a half holds half of the labeled *and* half of the unlabeled slots, for as
/// long as both can be halved; a leaf adds its labeled, then its unlabeled slots in order. A rank count that is a power
/// of two and divides both kinds makes each rank's slots one node of this tree, so the sum has the same bits
/// at any such rank count.
public struct SlotTree: Sendable, Equatable {
  public let labeled: Int
  public let unlabeled: Int

  /// A tree, or the node of one, over `labeled` + `unlabeled` slots. Slots count labeled first.
  public init(labeled: Int, unlabeled: Int) {
    precondition(labeled >= 0 && unlabeled >= 0 && labeled + unlabeled > 0)
    self.labeled = labeled
    self.unlabeled = unlabeled
  }

  public var count: Int { labeled + unlabeled }

  /// Reduces one value per slot in the tree's order.
  ///
  /// - Parameters:
  ///   - kind: slots of the other kind are left out; the shape of the tree stays.
  ///   - leaf: the value of a slot, called in the order of the reduction. Slots are numbered within `kind`: for `.all` the
  ///     labeled slots come first, for `.unlabeled` 0 is the first unlabeled slot.
  ///   - combine: left and right operand.
  /// - Returns: nil if no slot is of that kind.
  public func reduce<Value>(
    _ kind: SlotKind = .all, leaf: (Int) throws -> Value, combine: (Value, Value) throws -> Value
  ) rethrows -> Value? {
    try reduceLeaves(kind) { slots in
      try slots.dropFirst().reduce(leaf(slots[0])) { try combine($0, leaf($1)) }
    } combine: {
      try combine($0, $1)
    }
  }

  /// Reduces one value per leaf in the tree's order: a leaf's slots lie on one rank, and are the same ones on any number of
  /// ranks, so that they may be summed in any way that does not depend on that number.
  ///
  /// - Parameter leaf: the value of some slots, at least one, in their order.
  public func reduceLeaves<Value>(
    _ kind: SlotKind = .all, leaf: ([Int]) throws -> Value, combine: (Value, Value) throws -> Value
  ) rethrows -> Value? {
    try node(0..<labeled, 0..<unlabeled, kind, leaf, combine)
  }

  private func node<Value>(
    _ l: Range<Int>, _ u: Range<Int>, _ kind: SlotKind,
    _ leaf: ([Int]) throws -> Value, _ combine: (Value, Value) throws -> Value
  ) rethrows -> Value? {
    if l.count % 2 == 0, u.count % 2 == 0, l.count + u.count > 0 {
      let lm = l.lowerBound + l.count / 2, um = u.lowerBound + u.count / 2
      let left = try node(l.lowerBound..<lm, u.lowerBound..<um, kind, leaf, combine)
      let right = try node(lm..<l.upperBound, um..<u.upperBound, kind, leaf, combine)
      guard let left else { return right }
      guard let right else { return left }
      return try combine(left, right)
    }
    let offset = kind == .all ? labeled : 0
    let slots = (kind == .unlabeled ? [] : Array(l)) + (kind == .labeled ? [] : u.map { offset + $0 })
    return slots.isEmpty ? nil : try leaf(slots)
  }
}
