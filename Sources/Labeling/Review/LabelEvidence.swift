/// What `review` keeps of one labeled image.
package struct LabelEvidence: Sendable, Equatable {
  /// The image's place in the list.
  let image: Int
  let shift: MaskShift
  let exchange: MaskExchange
  let contradictions: Contradictions

  // MARK: Between ranks

  /// The numbers that it takes to send it: `image`, the shift, the exchange, and the contradictions.
  package var packed: [Double] {
    var numbers = [Double(image), Double(shift.down), Double(shift.right), shift.gain]
    numbers += [Double(exchange.first), Double(exchange.second), exchange.gain]
    numbers += [Double(contradictions.labeled)] + contradictions.inner.map { Double($0) }
    numbers.append(Double(contradictions.pairs.count))
    for pair in contradictions.pairs {
      let box = pair.box
      numbers += [pair.label, pair.seen, pair.count, box.left, box.top, box.right, box.bottom].map { Double($0) }
    }
    return numbers
  }

  /// Takes the first of packed numbers off them.
  package init(unpacking numbers: inout ArraySlice<Double>, classes: Int) {
    func next() -> Double { numbers.popFirst() ?? 0 }
    image = Int(next())
    shift = MaskShift(down: Int(next()), right: Int(next()), gain: next())
    exchange = MaskExchange(first: Int(next()), second: Int(next()), gain: next())
    var contradictions = Contradictions(classes: classes)
    contradictions.labeled = Int(next())
    contradictions.inner = (0..<classes).map { _ in Int(next()) }
    contradictions.pairs = (0..<Int(next())).map { _ in
      Contradictions.Pair(
        label: Int(next()), seen: Int(next()), count: Int(next()),
        box: PixelBox(left: Int(next()), top: Int(next()), right: Int(next()), bottom: Int(next())))
    }
    self.contradictions = contradictions
  }

  package init(image: Int, shift: MaskShift, exchange: MaskExchange, contradictions: Contradictions) {
    (self.image, self.shift, self.exchange, self.contradictions) = (image, shift, exchange, contradictions)
  }
}

extension Contradictions {
  /// None.
  fileprivate init(classes: Int) { inner = [Int](repeating: 0, count: classes) }
}
