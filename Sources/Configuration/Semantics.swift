extension Configuration {
  /// What is computed where the published program differs from the equations: a key for each row of the table in docs/method.md
  /// that changes numbers in one process.
  public struct Semantics: Sendable, Equatable {
    public enum Source: String, Sendable, CaseIterable {
      /// The paper, as docs/method.md states it.
      case equations
      /// The published program, as one process.
      case published
    }

    /// How wide the rectangle of CutMix and CutOut may be.
    public var rectangle = Source.equations
    /// Whether padding of unlabeled images has pseudo-labels.
    public var padding = Source.equations
    /// How a percentile of entropies is interpolated and compared.
    public var percentiles = Source.equations
    /// Whether a pixel at the threshold is unreliable.
    public var unreliable = Source.equations
    /// Which unlabeled pixels may be anchors, and what a positive is the mean of.
    public var anchors = Source.equations
    /// Whether labeled pixels are negatives.
    public var labeledNegatives = Source.equations
    /// Which classes an unlabeled pixel is a negative of.
    public var unlabeledNegatives = Source.equations
    /// Whether all new keys enter the memory bank.
    public var newKeys = Source.equations
    /// Which class's anchors meet the negatives of a class.
    public var anchorClass = Source.equations
    /// What L_c is the mean over.
    public var contrastMean = Source.equations
    /// Whether the teacher sees the labeled images of supervised epochs.
    public var supervisedTeacher = Source.equations
    /// What the teacher takes from the student when pseudo-labels begin, and how often.
    public var teacherCopy = Source.equations
    /// Whether positives are averaged over steps. An option of the published program, off in its experiments.
    public var anchorEMA = false

    public init() {}

    /// `semantics: published`.
    public static var published: Semantics {
      var all = Semantics()
      for (_, row) in rows { all[keyPath: row] = .published }
      return all
    }

    /// The rows by their keys.
    static var rows: [(name: String, row: WritableKeyPath<Semantics, Source>)] {
      [
        ("rectangle", \.rectangle), ("padding", \.padding), ("percentiles", \.percentiles),
        ("unreliable", \.unreliable), ("anchors", \.anchors), ("labeled_negatives", \.labeledNegatives),
        ("unlabeled_negatives", \.unlabeledNegatives), ("new_keys", \.newKeys), ("anchor_class", \.anchorClass),
        ("contrast_mean", \.contrastMean), ("supervised_teacher", \.supervisedTeacher),
        ("teacher_copy", \.teacherCopy),
      ]
    }

    /// Keys of the rows that follow the published program.
    public var publishedRows: [String] {
      Self.rows.filter { self[keyPath: $0.row] == .published }.map(\.name) + (anchorEMA ? ["anchor_ema"] : [])
    }
  }
}

extension Configuration.Semantics: Section {
  static var fields: [Field<Self>] {
    let meanings = [
      "rectangle":
        "Width b of the rectangle of `cutmix` and `cutout`: up to W; published: below W, and a height that lies between two "
        + "whole numbers goes to the even one.",
      "padding": "Padding of unlabeled images is ignored; published: it has pseudo-labels, and counts in λ_u.",
      "percentiles":
        "γ_t is interpolated in double precision; published: as NumPy does with single-precision numbers, and rounded to "
        + "single precision before entropies are compared with it.",
      "unreliable": "A pixel is unreliable with H > γ_t; published: with H ≥ γ_t.",
      "anchors":
        "Anchors are pixels with y or a reliable ŷ and p > δ_p, z_c⁺ is the mean over them; published: of unlabeled pixels those "
        + "with H at most the 100 α_t-th percentile, and z_c⁺ is the mean over all, whatever p.",
      "labeled_negatives": "Labeled pixels are negatives of their probable other classes; published: of none.",
      "unlabeled_negatives":
        "An unreliable pixel is a negative of classes with r_l ≤ O(c) < r_h; published: only where its ŷ is c too.",
      "new_keys":
        "At most `u2pl.enqueue_per_step` new keys of a class enter the bank; published: all, whatever that key says.",
      "anchor_class":
        "Anchors and z_c⁺ of class c meet Q_c; published: those of class i meet Q of the i-th class, from 0, that has anchors.",
      "contrast_mean":
        "L_c is the mean over all classes; published: over those that have anchors, and 0 where fewer than two have.",
      "supervised_teacher":
        "In supervised epochs the teacher takes no part; published: it sees the labeled images in training mode, which "
        + "changes its running statistics.",
      "teacher_copy":
        "The teacher becomes a copy of the student once, running statistics included; published: in every step of the first "
        + "semi-supervised epoch, and parameters alone.",
    ]
    return rows.map { name, row in
      Field(name, row, in: .init(), .choice(), meanings[name] ?? "")
    } + [
      Field(
        "anchor_ema", \.anchorEMA, in: .init(), .toggle,
        "Whether z_c⁺ is averaged over steps: a z + (1 − a) z_c⁺, z what came of the step before and a = min(1 − 1/k, 0.999). "
          + "An option of the published program; `semantics: published` leaves it off.")
    ]
  }
}
