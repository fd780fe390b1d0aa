import Foundation

/// Student's t distribution.
package enum StudentT {
  /// The half of a two-sided interval that holds this share of the distribution.
  ///
  /// - Parameters:
  ///   - share: above 0, below 1, such as 0.95.
  ///   - freedom: degrees of freedom, from 1 on.
  package static func quantile(twoSided share: Double, freedom: Int) -> Double {
    precondition(share > 0 && share < 1 && freedom >= 1)
    var low = 0.0, high = 1.0
    while inside(high, freedom) < share { high *= 2 }
    for _ in 0..<200 {
      let middle = (low + high) / 2
      guard middle > low, middle < high else { break }
      if inside(middle, freedom) < share { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// P(|T| ≤ t) = 1 − I_x(ν/2, 1/2) with x = ν / (ν + t²).
  private static func inside(_ t: Double, _ freedom: Int) -> Double {
    let nu = Double(freedom)
    // The complement, which keeps its digits for small t.
    return incompleteBeta(t * t / (nu + t * t), 0.5, nu / 2)
  }

  /// The regularised incomplete beta function I_x(a, b), by its continued fraction (Abramowitz and Stegun, 26.5.8).
  static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    // The fraction converges fast below the mean.
    if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, b, a) }
    let beta: Double = lgamma(a) + lgamma(b) - lgamma(a + b)
    let power: Double = a * Foundation.log(x) + b * Foundation.log1p(-x)
    return Foundation.exp(power - beta) / a * fraction(x, a, b)
  }

  /// Lentz's method.
  private static func fraction(_ x: Double, _ a: Double, _ b: Double) -> Double {
    let tiny = 1e-300
    var c = 1.0
    var d = 1 - (a + b) * x / (a + 1)
    d = 1 / (abs(d) < tiny ? tiny : d)
    var result = d
    for m in 1...10_000 {
      let m = Double(m)
      let even: Double = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      let odd: Double = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      for term in [even, odd] {
        d = 1 + term * d
        d = 1 / (abs(d) < tiny ? tiny : d)
        c = 1 + term / c
        if abs(c) < tiny { c = tiny }
        result *= c * d
      }
      if abs(c * d - 1) < 1e-15 { break }
    }
    return result
  }
}
