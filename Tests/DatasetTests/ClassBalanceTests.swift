import Compute
import Dataset
import Foundation
import Transforms
import XCTest

final class ClassBalanceTests: XCTestCase {
  private let philox = Philox(seed: 5)

  /// Class 2 is in one of six images, class 3 in none.
  func testEachClassComesAsOftenAsAny() {
    let pixels: [[Int64]] = (0..<6).map { [5, $0 < 3 ? 1 : 0, $0 == 4 ? 2 : 0, 0] }
    let balance = ClassBalance(share: 0.5, pixels: pixels, philox: philox)
    var found = [0, 0, 0, 0]
    var inOrder = 0
    for step in 0..<500 {
      for slot in 0..<6 {
        guard let (index, label) = balance.draw(step: step, slot: slot) else {
          inOrder += 1
          continue
        }
        XCTAssertGreaterThan(pixels[index][Int(label)], 0)
        found[Int(label)] += 1
      }
    }
    // 3000 draws at 1/2: deviation 27; at 1/6: 500, deviation 20.
    XCTAssertEqual(Double(inOrder), 1500, accuracy: 120)
    for c in 0..<3 { XCTAssertEqual(Double(found[c]), 500, accuracy: 90, "class \(c)") }
    XCTAssertEqual(found[3], 0)
    XCTAssertNil(ClassBalance(share: 0, pixels: pixels, philox: philox).draw(step: 0, slot: 0))
    XCTAssertNil(ClassBalance(share: 1, pixels: [[0, 0]], philox: philox).draw(step: 0, slot: 0))
  }

  /// A class of three pixels in a corner of a large image is in every crop that is drawn for it, wherever in the crop.
  func testTheCropHoldsTheClass() {
    var labels = [UInt8](repeating: 0, count: 60 * 80)
    for x in 70..<73 { labels[50 * 80 + x] = 1 }
    let image = Raster(height: 60, width: 80, pixels: [UInt8](repeating: 9, count: 60 * 80 * 3))
    var augmentation = Augmentation(scale: 1...2, flip: true, crop: (20, 24))
    func crops() -> [[UInt8]] {
      (0..<60).map { slot in
        augmentation.apply(
          image, LabelMap(height: 60, width: 80, values: labels),
          normalization: Normalization(mean: [0, 0, 0], std: [1, 1, 1]),
          draws: .init(philox, .labeledAugmentation, slot: slot, step: 1)
        ).labels
      }
    }
    XCTAssertLessThan(crops().count { $0.contains(1) }, 30)
    augmentation.focus = 1
    let focused = crops()
    // Of an image that shrinks a pixel may vanish; of one that grows, none.
    XCTAssertEqual(focused.count { $0.contains(1) }, 60)
    let columns = Set(focused.compactMap { $0.firstIndex(of: 1).map { $0 % 24 } })
    XCTAssertGreaterThan(columns.count, 10, "it is always at the same place")
  }
}
