/// One run, completely described: the values of a configuration file with every default filled in and checked.
///
/// Defaults are the method's published recipe for PASCAL VOC 2012. ``load(path:overrides:)`` makes one from a file,
/// ``yaml()`` writes it out again; `docs/config.md` lists every key.
public struct Configuration: Sendable, Equatable {
  public var run = Run()
  public var data = Data()
  public var batch = Batch()
  public var augment = Augment()
  public var model = Model()
  public var optimizer = Optimizer()
  public var schedule = Schedule()
  public var u2pl = U2PL()
  public var loss = Loss()
  public var teacher = Teacher()
  public var semantics = Semantics()
  public var checkpoint = Checkpoint()
  public var integrity = Integrity()
  public var watchdog = Watchdog()
  public var evaluate = Evaluate()
  public var compute = Compute()
  public var logs = Logs()
  /// Whether the run writes `report.html` and the pictures in it.
  public var report = true
  public var reduction = Reduction.ordered

  init() {}
}

extension Configuration {
  /// Height and width in pixels.
  public struct Size: Sendable, Equatable {
    public var height: Int
    public var width: Int

    public init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }
  }

  /// Where samples are listed: in a file, or, for generated data, merely counted.
  public enum ListSource: Sendable, Equatable {
    /// Path of a list, an image ID a line; relative to the data's root.
    case file(String)
    /// This many generated samples.
    case count(Int)
  }

  /// What values stored in masks mean.
  public struct LabelMap: Sendable, Equatable {
    /// By stored value a class, or nil for ignore.
    public var classes: [UInt8: UInt8?] = [:]
    /// Whether all other values are ignored; else they are errors.
    public var ignoringOthers = false
  }

  /// Where a value was written, such as `mine.yaml:3:9`, for messages. It is no part of the value: all are equal.
  public struct Written: Sendable, Equatable {
    public var place: String?

    public static func == (_: Written, _: Written) -> Bool { true }
  }

  /// Colours of classes.
  public enum Palette: Sendable, Equatable {
    case voc, cityscapes
    /// Red, green and blue, 0–255, of each class.
    case colors([[UInt8]])
  }

  /// How sums over the ranks are formed.
  public enum Reduction: String, Sendable, CaseIterable {
    /// Over the fixed tree of batch slots: the same bits on 1, 2, 4, … ranks.
    case ordered
    /// By MPI_Allreduce, in whatever order it takes.
    case mpi
  }

  /// The run as a whole.
  public struct Run: Sendable, Equatable {
    /// Key of every random draw.
    public var seed: UInt64 = 0
    /// Where logs and checkpoints go; nil lets the launcher derive it from the configuration's file name.
    public var directory: String?
  }

  /// Images, labels and their lists.
  public struct Data: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
      /// A folder laid out as PASCAL VOC: `JPEGImages`, `SegmentationClass`, lists of IDs.
      case voc
      /// A folder laid out as Cityscapes: `leftImg8bit`, `gtFine`, lists of paths.
      case cityscapes
      /// A folder with `images` and `labels` of the same names.
      case folder
      /// One packed file that holds all images and masks.
      case hdf5
      /// Generated images; nothing is read.
      case shapes
    }

    public var kind = Kind.voc
    /// Folder that relative paths of this section start from; for ``Kind/hdf5`` the packed file itself.
    public var root = ""
    /// Where ``root`` was written.
    public var rootPlace = Written()
    /// `.count` for ``Kind/shapes``, else always `.file`; so are the two below.
    public var labeled = ListSource.file("")
    /// Never nil when ``U2PL/enabled``.
    public var unlabeled: ListSource?
    public var validation: ListSource?
    /// Number of classes, 2…255; labels are 0…classes − 1, and 255 is ignored.
    public var classes = 21
    /// As many names as ``classes``, or nil when only their number is known.
    public var classNames: [String]?
    /// What values stored in masks mean; nil when they are classes, or the kind of data tells.
    public var labelMap: LabelMap?
    /// Colours to show classes in; nil for those of the kind of data.
    public var palette: Palette?
    /// Channels of every image, 1…32.
    public var channels = 3
    /// What of an image's values becomes 0–255.
    public var range = ValueRange.type
    public var normalize = Normalize.dataset
    /// Mean and standard deviation, in units of 0–255, as many as ``channels``.
    public var mean = Data.standardMean(channels: 3)
    public var std = Data.standardDeviation(channels: 3)
    public var shuffle = true
    /// A regular expression that tells which images belong together; nil for those of one volume.
    public var group: String?
    /// Share of labeled samples whose class is drawn first, each as often as any.
    public var balance = 0.0
    /// Whether every listed image is decoded once before a run begins.
    public var verify = true
    /// Size of generated images.
    public var size = Size(height: 96, width: 96)
    /// Key of the generated images' draws; independent of ``Run/seed``, so that runs of other seeds see the same data.
    public var seed: UInt64 = 0

    /// Of ImageNet's red, green and blue; for another number of channels the average of the three.
    static func standardMean(channels: Int) -> [Double] {
      channels == 3 ? [123.675, 116.28, 103.53] : [Double](repeating: 114.495, count: channels)
    }
    static func standardDeviation(channels: Int) -> [Double] {
      channels == 3 ? [58.395, 57.12, 57.375] : [Double](repeating: 57.63, count: channels)
    }

    /// `path` as is when absolute, else below ``root``, or below the folder that a packed file is in.
    public func resolve(_ path: String) -> String {
      var folder = root[...]
      if kind == .hdf5 { folder = root.lastIndex(of: "/").map { root[...$0] } ?? "" }
      return path.hasPrefix("/") || folder.isEmpty ? path : folder.hasSuffix("/") ? folder + path : folder + "/" + path
    }
  }

  /// Images of one step, over all ranks.
  public struct Batch: Sendable, Equatable {
    public var labeled = 16
    public var unlabeled = 16
  }

  /// Random changes to the images.
  public struct Augment: Sendable, Equatable {
    public enum Mix: String, Sendable, CaseIterable { case cutmix, classmix, cutout, copypaste, off }
    /// What one draw decides whether to mix: each image, or all of a step.
    public enum MixDraw: String, Sendable, CaseIterable { case image, step }

    /// What the student alone sees of unlabeled images, after mixing.
    public struct Strong: Sendable, Equatable {
      /// nil for no colour jitter.
      public var color: Color?
      public var colorProbability = 0.8
      /// Exponents of a change of the values, drawn uniformly; nil for none.
      public var gamma: ClosedRange<Double>?
      public var gammaProbability = 0.5
      /// Probability that an image loses its colour.
      public var greyProbability = 0.0
      /// Radius of a Gaussian blur in pixels; nil for none.
      public var blur: Int?
      public var blurProbability = 0.5
      /// Deviations of noise in units of 0–255, drawn uniformly; nil for none.
      public var noise: ClosedRange<Double>?
      public var noiseProbability = 0.5
    }

    /// An elastic deformation.
    public struct Elastic: Sendable, Equatable {
      /// The most that a pixel is moved in each direction.
      public var amplitude: Double
      /// Pixels between the places whose movement is drawn.
      public var spacing: Int

      public init(amplitude: Double, spacing: Int) { (self.amplitude, self.spacing) = (amplitude, spacing) }
    }

    /// Strengths of a colour jitter: factors are drawn from 1 ± these, hue shifts from ± its part of the colour circle.
    public struct Color: Sendable, Equatable {
      public var brightness: Double
      public var contrast: Double
      public var saturation: Double
      public var hue: Double

      public init(brightness: Double, contrast: Double, saturation: Double, hue: Double) {
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
      }
    }

    /// Factors the image is resized by, drawn uniformly; nil for no scaling.
    public var scale: ClosedRange<Double>? = 0.5...2
    /// Horizontal flip of every other image.
    public var flip = true
    /// Size cut out, with padding where the image is smaller; nil for whole images.
    public var crop: Size? = Size(height: 513, width: 513)
    /// Degrees the image is turned by, counter-clockwise, drawn uniformly; nil for no rotation.
    public var rotate: ClosedRange<Double>?
    /// nil for no deformation.
    public var elastic: Elastic?
    public var elasticProbability = 0.5
    /// Every other piece is turned upside down, mirrored.
    public var verticalFlip = false
    /// Turns by 0, 90, 180 and 270 degrees.
    public var quarterTurns = false
    /// Radius of a Gaussian blur in pixels; nil for none.
    public var blur: Int?
    /// Probability that an image is blurred.
    public var blurProbability = 0.5
    /// Deviations of noise in units of 0–255, drawn uniformly; nil for none.
    public var noise: ClosedRange<Double>?
    public var noiseProbability = 0.5
    /// Exponents of a change of the values, drawn uniformly; nil for none.
    public var gamma: ClosedRange<Double>?
    public var gammaProbability = 0.5
    /// nil for no colour jitter.
    public var color: Color?
    /// Probability that an image's colours are changed.
    public var colorProbability = 0.8
    public var mix = Mix.cutmix
    /// Probability that a step, or an image, is mixed.
    public var mixProbability = 0.5
    public var mixDraw = MixDraw.step
    /// Share of an image that a rectangle of `cutmix` or `cutout` takes, drawn uniformly.
    public var cutmixArea = 0.5...0.5
    public var strong = Strong()

    /// `augment: off`.
    static var off: Augment {
      var value = Augment()
      (value.scale, value.flip, value.crop, value.mix) = (nil, false, nil, .off)
      return value
    }
  }

  /// The segmentation network.
  public struct Model: Sendable, Equatable {
    public enum Encoder: String, Sendable, CaseIterable {
      case resnet18, resnet34, resnet50, resnet101

      /// 18, 34, 50 or 101.
      public var depth: Int {
        switch self {
        case .resnet18: 18
        case .resnet34: 34
        case .resnet50: 50
        case .resnet101: 101
        }
      }
    }
    public enum Stem: String, Sendable, CaseIterable { case deep, classic }

    public var encoder = Encoder.resnet101
    /// Factor on every channel count of the encoder.
    public var encoderWidth = 1.0
    public var stem = Stem.deep
    /// 8 or 16.
    public var outputStride = 8
    public var multiGrid = true
    public var zeroInitResidual = true
    /// Channels of the decoder.
    public var width = 256
    /// Channels of the representation the contrastive loss compares.
    public var features = 256
    /// Of ASPP's three 3×3 convolutions.
    public var dilations = [12, 24, 36]
    /// Whether layer3 has an auxiliary head.
    public var auxiliary = false
    /// Probability that a channel of the heads is dropped.
    public var dropout = 0.1
    /// File of initial weights, relative to the working directory.
    public var weights: String?
    /// Whether ``weights`` must hold every parameter, in its shape.
    public var strict = true
  }

  /// How gradients change parameters, and the learning rate over the run.
  public struct Optimizer: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable { case sgd, adamw }
    public enum Schedule: String, Sendable, CaseIterable { case poly, cosine }

    public var kind = Kind.sgd
    public var learningRate = 0.001
    /// Factor on the learning rate of the decoder and the auxiliary head.
    public var headFactor = 10.0
    /// Of SGD; β₁ of AdamW.
    public var momentum = 0.9
    /// β₂ of AdamW.
    public var secondMomentum = 0.999
    public var weightDecay = 1e-4
    public var schedule = Schedule.poly
    /// Exponent of the polynomial schedule.
    public var power = 0.9
    /// Steps over which the learning rate rises linearly to the schedule's.
    public var warmupSteps = 0
    /// L2 norm that the global gradient is scaled down to; nil for no clipping.
    public var clipNorm: Double?
  }

  public struct Schedule: Sendable, Equatable {
    public var epochs = 80
    /// nil for one pass over the list that takes more steps.
    public var stepsPerEpoch: Int?
    /// Epochs at the start that use labeled images only; nil lets the run decide by what the labels show.
    public var supervisedEpochs: Int? = 1
  }

  /// Pseudo-labels and the contrastive loss. Symbols are those of docs/method.md.
  public struct U2PL: Sendable, Equatable {
    /// Whether to learn from unlabeled images at all.
    public var enabled = true
    /// α₀ and α_T: share of pixels taken as unreliable at epoch 0 and at the end.
    public var alpha0 = 0.2
    public var alphaEnd = 0.0
    /// δ_p: an anchor's class has more than this probability.
    public var deltaP = 0.3
    /// r_l, always below ``highRank``.
    public var lowRank = 3
    /// r_h.
    public var highRank = 20
    /// M: anchors drawn for a class.
    public var anchors = 256
    /// N: negatives drawn for an anchor.
    public var negatives = 50
    /// τ.
    public var temperature = 0.5
    /// Vectors the memory bank holds of each class, one number for each.
    public var capacity: [Int]
    /// Vectors that may enter the bank a class and step; nil for no limit.
    public var enqueuePerStep: Int? = 4096
    /// λ_c: weight of the contrastive loss.
    public var lambdaC = 0.1
    public enum Threshold: String, Sendable, CaseIterable {
      /// One γ_t for all pixels.
      case global
      /// A percentile for each class of pseudo-labels.
      case perClass = "class"
    }
    public enum Weight: String, Sendable, CaseIterable {
      /// L_u and L_c as published.
      case full
      /// Times what labeled images that are held out for a while show of the teacher.
      case evidence
    }
    public var weight = Weight.full
    /// What the share of unreliable pixels is taken of.
    public var threshold = Threshold.global
    /// Upper limit of the teacher's averaging factor; nil derives it from the length of the run.
    public var emaDecay: Double? = 0.99

    /// α_t = α_T + (α₀ − α_T) (1 − t/T) of epoch t of T, also when pseudo-labels start later.
    public func alpha(epoch: Int, of epochs: Int) -> Double {
      alphaEnd + (alpha0 - alphaEnd) * max(0, 1 - Double(epoch) / Double(epochs))
    }

    init(classes: Int = 21) {
      capacity = Self.publishedCapacity(classes: classes)
      lowRank = Self.standardLowRank(classes: classes)
    }

    /// The published 3, and less where that would leave an unlabeled pixel few classes to be a negative of.
    public static func standardLowRank(classes: Int) -> Int { classes <= 4 ? 1 : classes <= 7 ? 2 : 3 }

    /// 50 000 of class 0, which is the background, and 30 000 of any other.
    static func publishedCapacity(classes: Int) -> [Int] {
      (0..<max(classes, 0)).map { $0 == 0 ? 50_000 : 30_000 }
    }
  }

  public struct Loss: Sendable, Equatable {
    /// Hard-example mining of the supervised loss; nil when off.
    public var ohem: OHEM?
    /// Weight of each class in the supervised loss of the main head; nil for 1.
    public var classWeights: [Double]?
    /// Weight of the soft Dice loss beside cross-entropy; 0 for none.
    public var dice = 0.0
    /// Weight of the auxiliary head's supervised loss.
    public var auxiliaryWeight = 0.4
  }

  /// Online hard-example mining.
  public struct OHEM: Sendable, Equatable {
    /// Pixels are kept whose true class has at most this probability.
    public var threshold = 0.7
    /// At least this many pixels are kept, counted over the global batch.
    public var minKept = 100_000
  }

  public struct Teacher: Sendable, Equatable {
    public enum Buffers: String, Sendable, CaseIterable {
      /// The teacher's batch norm keeps running statistics of its own.
      case own
      /// They are averaged from the student's, as parameters are.
      case ema
    }
    public enum Start: String, Sendable, CaseIterable {
      /// As a copy of the student, with the first pseudo-labels.
      case pseudoLabels = "pseudo_labels"
      /// It follows the student from the first step on, also in a supervised-only run.
      case beginning
    }
    public var buffers = Buffers.own
    public var start = Start.pseudoLabels
  }

  public struct Checkpoint: Sendable, Equatable {
    /// nil for once an epoch.
    public var everySteps: Int?
    /// How many of the newest are kept.
    public var keep = 3
  }

  public struct Integrity: Sendable, Equatable {
    /// nil for checkpoints only.
    public var everySteps: Int? = 200
  }

  public struct Watchdog: Sendable, Equatable {
    /// nil for off.
    public var seconds: Int? = 300
  }

  public struct Evaluate: Sendable, Equatable {
    public enum Mode: String, Sendable, CaseIterable {
      case whole
      case centerCrop = "center_crop"
      case sliding
    }
    public var everyEpochs = 1
    public var mode = Mode.whole
    /// Factors the image is resized by before the network sees it; logits are averaged over them.
    public var scales = [1.0]
    /// Whether the network also sees each image mirrored.
    public var flip = false
  }

  /// Files for other programs beside `metrics.jsonl`.
  public struct Logs: Sendable, Equatable {
    /// TensorBoard's event files, in `tensorboard/`.
    public var tensorboard = false
    /// `metrics.prom`, for a collector of metrics.
    public var openmetrics = true
  }

  public struct Compute: Sendable, Equatable {
    /// Threads of a rank; nil for the node's cores divided by the ranks on it.
    public var threads: Int?
  }
}
