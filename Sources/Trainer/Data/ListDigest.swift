import Dataset
import Files

/// The contents of a list, short enough for a checkpoint: the number of its entries, and a digest of their names in
/// order.
struct ListDigest: Equatable {
  let count: Int
  let digest: String

  init(_ set: any ImageSet) {
    count = set.count
    var digest = Digest()
    for index in 0..<set.count { digest.add(set.line(index)) }
    self.digest = digest.text
  }

  /// Reads what ``text`` has written.
  init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2, let count = Int(words[0]) else { return nil }
    (self.count, digest) = (count, String(words[1]))
  }

  /// Such as `92 4be7a1…`.
  var text: String { "\(count) \(digest)" }
}

/// The contents of a run's lists.
struct ListDigests: Equatable {
  /// By key: `data.labeled`, `data.unlabeled`, `data.validation`, as far as there is such a list.
  var lists: [String: ListDigest] = [:]

  init(lists: [String: ListDigest] = [:]) { self.lists = lists }

  init(_ sets: DataSets) {
    lists["data.labeled"] = ListDigest(sets.labeled)
    lists["data.unlabeled"] = sets.unlabeled.map(ListDigest.init)
    lists["data.validation"] = sets.validation.map(ListDigest.init)
  }

  /// The attributes of a checkpoint: `labeled_list` and so on.
  static let attributes = [
    "data.labeled": "labeled_list", "data.unlabeled": "unlabeled_list", "data.validation": "validation_list",
  ]
}
