// Every key: its name, its place in `Configuration`, what it takes, and what it means.

extension Configuration: Section {
  static var fields: [Field<Self>] {
    [
      Field(section: "run", \.run, start: { _ in Run() }),
      Field(section: "data", \.data, start: { _ in Data() }),
      Field(section: "batch", \.batch, start: { _ in Batch() }),
      Field(section: "augment", \.augment, start: { _ in Augment() }, words: ["off": .off]),
      Field(section: "model", \.model, start: { _ in Model() }),
      Field(section: "optimizer", \.optimizer, start: { _ in Optimizer() }),
      Field(section: "schedule", \.schedule, start: { _ in Schedule() }),
      Field(section: "u2pl", \.u2pl, start: { U2PL(classes: $0.data.classes) }),
      Field(section: "loss", \.loss, start: { _ in Loss() }),
      Field(section: "teacher", \.teacher, start: { _ in Teacher() }),
      Field(
        section: "semantics", \.semantics, start: { _ in Semantics() },
        words: ["equations": Semantics(), "published": .published]),
      Field(section: "checkpoint", \.checkpoint, start: { _ in Checkpoint() }),
      Field(section: "integrity", \.integrity, start: { _ in Integrity() }),
      Field(section: "watchdog", \.watchdog, start: { _ in Watchdog() }),
      Field(section: "evaluate", \.evaluate, start: { _ in Evaluate() }),
      Field(section: "compute", \.compute, start: { _ in Compute() }),
      Field(section: "logs", \.logs, start: { _ in Logs() }),
      Field(
        "report", \.report, in: Configuration(), .toggle,
        "Whether the run keeps `report.html`, and the pictures in it, up to date at every evaluation; it changes no "
          + "bit of what is computed."),
      Field(
        "reduction", \.reduction, in: Configuration(), .choice(),
        "How sums over ranks are formed: `ordered` gives the same bits on 1, 2, 4, … ranks, `mpi` uses MPI_Allreduce."),
    ]
  }
}

extension Configuration.Run: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "seed", \.seed, in: .init(), .seed,
        "Key of every random draw. Two runs with equal configurations and seeds compute the same numbers."),
      Field(
        "directory", \.directory, in: .init(), .orNull(.text(type: "path", example: "runs/first")),
        "Where logs and checkpoints go; null means `runs/` and the configuration file's name without `.yaml`."),
    ]
  }
}

extension Configuration.Batch: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "labeled", \.labeled, in: .init(), .integer(1...65_536, example: 16), unit: "images",
        "Labeled images a step, over all ranks. The number of ranks must divide it."),
      Field(
        "unlabeled", \.unlabeled, in: .init(), .integer(1...65_536, example: 16), unit: "images",
        "Unlabeled images a step, over all ranks. The number of ranks must divide it."),
    ]
  }
}

extension Configuration.Augment: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "scale", \.scale, in: .init(), .orOff(.scaleRange),
        "Each image is resized by a factor drawn uniformly between the two."),
      Field("flip", \.flip, in: .init(), .toggle, "Each image is mirrored left to right with probability 0.5."),
      Field(
        "crop", \.crop, in: .init(), .orOff(.size(1...16_384)), unit: "pixels",
        "Size of the piece cut out at random, one number or [height, width]; smaller images are padded. `off` takes "
          + "images whole."),
      Field(
        "rotate", \.rotate, in: .init(), .orOff(.angles), unit: "degrees",
        "Each image is turned about its centre by an angle drawn uniformly between the two, or within ± one number, "
          + "counter-clockwise; the corners this leaves empty are padding."),
      Field(
        "elastic", \.elastic, in: .init(), .orOff(.elastic), unit: "pixels",
        "Elastic deformation [a, s] of the piece: places s apart are moved by up to a in each direction, those between "
          + "smoothly (a cubic B-spline)."),
      Field(
        "elastic_probability", \.elasticProbability, in: .init(), .probability, "Probability that a piece is deformed."),
      Field(
        "vertical_flip", \.verticalFlip, in: .init(), .toggle,
        "Each piece is mirrored upside down with probability 0.5, as suits images that have no up."),
      Field(
        "quarter_turns", \.quarterTurns, in: .init(), .toggle,
        "Each piece is turned by 0, 90, 180 or 270 degrees; without a crop, images that are not square by 0 or 180."),
      Field(
        "blur", \.blur, in: .init(), .orOff(.integer(1...32, example: 2)), unit: "pixels",
        "Radius r of a Gaussian blur; its σ is 0.3 · (r − 1) + 0.8."),
      Field("blur_probability", \.blurProbability, in: .init(), .probability, "Probability that an image is blurred."),
      Field(
        "noise", \.noise, in: .init(), .orOff(.noise), unit: "0–255",
        "Deviation of Gaussian noise, drawn uniformly between the two."),
      Field(
        "noise_probability", \.noiseProbability, in: .init(), .probability, "Probability that an image gets noise."),
      Field(
        "gamma", \.gamma, in: .init(), .orOff(.gamma),
        "Exponent γ, drawn uniformly between the two, of the values between a channel's smallest and greatest."),
      Field(
        "gamma_probability", \.gammaProbability, in: .init(), .probability,
        "Probability that an image's values are changed by γ."),
      Field(
        "color", \.color, in: .init(), .orOff(.jitter),
        "Colour jitter [b, c, s, h]: factors on brightness, contrast and saturation drawn from 1 ± b, 1 ± c and 1 ± s, "
          + "a shift of the hue from ± h turns of the colour circle. Images of other channels than three have the first "
          + "two, [b, c, 0, 0]."),
      Field(
        "color_probability", \.colorProbability, in: .init(), .probability,
        "Probability that an image's colours are changed."),
      Field(
        "mix", \.mix, in: .init(), .choice(),
        "How unlabeled images are mixed for the strong view: with a rectangle (`cutmix`) or half of the classes "
          + "(`classmix`) of the next, with a rectangle removed (`cutout`), or with half of the classes of a labeled image, "
          + "and their labels, laid over it (`copypaste`)."),
      Field(
        "mix_probability", \.mixProbability, in: .init(), .probability,
        "Probability that a step, or an image, is mixed."),
      Field(
        "mix_draw", \.mixDraw, in: .init(), .choice(),
        "Whether every `image` has a draw of its own that decides whether it is mixed, or all of a `step` have one."),
      Field(
        "cutmix_area", \.cutmixArea, in: .init(), .shares,
        "Share of the image that the rectangle of `cutmix` and `cutout` takes, drawn uniformly between the two."),
      Field(section: "strong", \.strong, start: { _ in Strong() }, words: ["off": Strong()]),
    ]
  }
}

extension Configuration.Augment.Strong: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "color", \.color, in: .init(), .orOff(.jitter),
        "Colour jitter, as `augment.color`, of the unlabeled images that the student sees, after mixing; the teacher sees "
          + "them without it."),
      Field(
        "color_probability", \.colorProbability, in: .init(), .probability,
        "Probability that an image's colours are changed."),
      Field(
        "gamma", \.gamma, in: .init(), .orOff(.gamma), "Exponent γ, as `augment.gamma`, of what the student alone sees."
      ),
      Field(
        "gamma_probability", \.gammaProbability, in: .init(), .probability,
        "Probability that an image's values are changed by γ."),
      Field(
        "grey_probability", \.greyProbability, in: .init(), .probability,
        "Probability that the student sees an unlabeled image in grey."),
      Field(
        "blur", \.blur, in: .init(), .orOff(.integer(1...32, example: 2)), unit: "pixels",
        "Radius of a Gaussian blur, as `augment.blur`, of what the student alone sees."),
      Field("blur_probability", \.blurProbability, in: .init(), .probability, "Probability that an image is blurred."),
      Field(
        "noise", \.noise, in: .init(), .orOff(.noise), unit: "0–255",
        "Deviation of Gaussian noise, as `augment.noise`, of what the student alone sees."),
      Field(
        "noise_probability", \.noiseProbability, in: .init(), .probability, "Probability that an image gets noise."),
    ]
  }
}

extension Configuration.Model: Section {
  static var fields: [Field<Self>] {
    [
      Field("encoder", \.encoder, in: .init(), .encoder, "The ResNet; its bare number will do as well."),
      Field(
        "encoder_width", \.encoderWidth, in: .init(),
        .number("0.125 to 8", example: 0.5) { (0.125...8).contains($0) },
        "Factor on every channel count of the encoder, each then rounded to a multiple of 8."),
      Field(
        "stem", \.stem, in: .init(), .choice(),
        "First layers: three 3×3 convolutions (`deep`) or one 7×7 (`classic`, as torchvision's weights need)."),
      Field(
        "output_stride", \.outputStride, in: .init(), .oneOf([8, 16]), unit: "pixels",
        "How much coarser than the image the encoder's output is."),
      Field(
        "multi_grid", \.multiGrid, in: .init(), .toggle, "Whether the dilations of layer4's blocks are times 2, 2, 4."),
      Field(
        "zero_init_residual", \.zeroInitResidual, in: .init(), .toggle,
        "Whether the last batch norm's weight of each block starts at 0."),
      Field("width", \.width, in: .init(), .channels, unit: "channels", "Channels of the decoder."),
      Field(
        "features", \.features, in: .init(), .channels, unit: "channels",
        "Channels of the representation that the contrastive loss compares."),
      Field(
        "dilations", \.dilations, in: .init(),
        .list(3, of: .integer(1...1024, example: 12), type: "a list of three whole numbers", example: "[12, 24, 36]"),
        unit: "pixels", "Dilations of ASPP's three 3×3 convolutions, in pixels of layer4's output."),
      Field(
        "auxiliary", \.auxiliary, in: .init(), .toggle,
        "Whether layer3 has an auxiliary head, whose supervised loss is added times `loss.auxiliary_weight`."),
      Field(
        "dropout", \.dropout, in: .init(), .number("at least 0, below 1", example: 0.1) { $0 >= 0 && $0 < 1 },
        "Probability that a channel of a head is dropped."),
      Field(
        "weights", \.weights, in: .init(), .orNull(.text(type: "path", example: "resnet101.safetensors")),
        "File of initial weights, of an encoder alone or of a whole network: safetensors under the names of torchvision, "
          + "timm or the published code, or HDF5 with datasets `/student/NAME` (docs/weights.md); null draws them from the "
          + "seed. Relative to the working directory."),
      Field(
        "strict", \.strict, in: .init(), .toggle,
        "Whether `weights` must fit: every parameter of the encoder, and of each other part that the file holds at all, in "
          + "its shape. `off` lists what does not fit and goes on."),
    ]
  }
}

extension Configuration.Optimizer: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "kind", \.kind, in: .init(), .choice(),
        "`sgd`, or `adamw` with β₁ = `momentum`, β₂ = `second_momentum`, ε = 1e-8."),
      Field(
        "learning_rate", \.learningRate, in: .init(),
        .number("at least 0, at most 1000", example: 0.001) { (0...1000).contains($0) },
        "Learning rate of the encoder that the schedule starts from."),
      Field(
        "head_factor", \.headFactor, in: .init(),
        .number("at least 0, at most 1000", example: 10) { (0...1000).contains($0) },
        "Factor on the learning rate of the decoder and the auxiliary head."),
      Field(
        "momentum", \.momentum, in: .init(), .number("at least 0, below 1", example: 0.9) { $0 >= 0 && $0 < 1 },
        "Momentum of SGD; β₁ of AdamW."),
      Field(
        "second_momentum", \.secondMomentum, in: .init(),
        .number("at least 0, below 1", example: 0.999) { $0 >= 0 && $0 < 1 }, "β₂ of AdamW."),
      Field(
        "weight_decay", \.weightDecay, in: .init(), .number("0 to 1", example: 1e-4) { (0...1).contains($0) },
        "Weight decay, on every parameter; AdamW takes θ down by the learning rate times it, apart from the gradient."),
      Field(
        "schedule", \.schedule, in: .init(), .choice(),
        "Learning rate at step k of K: `learning_rate · (1 − k/K)^power` (`poly`), or "
          + "`learning_rate · (1 + cos(π k/K)) / 2` (`cosine`)."),
      Field(
        "power", \.power, in: .init(), .number("at least 0, at most 100", example: 0.9) { (0...100).contains($0) },
        "Exponent of the `poly` schedule."),
      Field(
        "warmup_steps", \.warmupSteps, in: .init(), .integer(0...1_000_000, example: 100), unit: "steps",
        "The schedule's learning rate is times (k + 1) / warmup_steps in the first steps k, which are as many."),
      Field(
        "clip_norm", \.clipNorm, in: .init(),
        .orNull(.number("above 0, at most 1000000", example: 10) { $0 > 0 && $0 <= 1e6 }),
        "The global gradient is scaled down to this L2 norm where it is longer, and its norm is in `metrics.jsonl`; null "
          + "leaves it as it is."),
    ]
  }
}

extension Configuration.Schedule: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "epochs", \.epochs, in: .init(), .integer(1...1_000_000, example: 80), unit: "epochs", "Length of the run."),
      Field(
        "steps_per_epoch", \.stepsPerEpoch, in: .init(), .orNull(.integer(1...1_000_000, example: 100)), unit: "steps",
        "Steps of an epoch; null means one pass over the list that takes more steps."),
      Field(
        "supervised_epochs", \.supervisedEpochs, in: .init(), .orAuto(.integer(0...1_000_000, example: 1)),
        unit: "epochs",
        "Epochs at the start that use labeled images only; at most `schedule.epochs`. `auto` starts pseudo-labels when the "
          + "teacher has not improved for a while on held-out labeled images and the warm-up is over, at the latest after 3/10 of the "
          + "run, and takes `u2pl.weight` as `evidence`."),
    ]
  }
}

extension Configuration.U2PL: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "enabled", \.enabled, in: .init(), .toggle,
        "Whether to learn from unlabeled images; `off` is the supervised baseline."),
      Field(
        "alpha0", \.alpha0, in: .init(), .probability,
        "α₀: share of unlabeled pixels taken as unreliable at epoch 0. It goes to `u2pl.alpha_end` linearly with the "
          + "epochs, also when pseudo-labels start later."),
      Field(
        "alpha_end", \.alphaEnd, in: .init(), .probability,
        "α_T: share of unlabeled pixels taken as unreliable at the end of the run; the published 0 trains on every "
          + "pseudo-label in the end, wrong ones too."),
      Field(
        "delta_p", \.deltaP, in: .init(), .probability,
        "δ_p: a pixel is an anchor of its class if the teacher gives it a probability above this."),
      Field(
        "low_rank", \.lowRank, in: .init(), .integer(0...255, example: 3),
        standard: "by classes: 1 up to 4, 2 up to 7, else 3",
        "r_l: an unlabeled negative's class has at least this rank among the pixel's probabilities (0 is the most "
          + "probable), a labeled one's a lower; below `u2pl.high_rank`."),
      Field(
        "high_rank", \.highRank, in: .init(), .integer(1...255, example: 20),
        "r_h: an unlabeled negative's class has a rank below this."),
      Field(
        "anchors", \.anchors, in: .init(), .integer(1...16_384, example: 256), unit: "vectors",
        "M: anchors drawn for each class and step."),
      Field(
        "negatives", \.negatives, in: .init(), .integer(1...16_384, example: 50), unit: "vectors",
        "N: negatives drawn for each anchor."),
      Field(
        "temperature", \.temperature, in: .init(),
        .number("0.001 to 1000", example: 0.5) { (0.001...1000).contains($0) },
        "τ of the contrastive loss."),
      .capacity,
      Field(
        "enqueue_per_step", \.enqueuePerStep, in: .init(), .orNull(.integer(1...Int.largest, example: 4096)),
        unit: "vectors", "Vectors that may enter the bank for each class and step; null means no limit."),
      Field(
        "lambda_c", \.lambdaC, in: .init(),
        .number("at least 0, at most 1000", example: 0.1) { (0...1000).contains($0) },
        "λ_c: weight of the contrastive loss."),
      Field(
        "weight", \.weight, in: .init(), .choice(),
        "What the unsupervised and the contrastive loss count by: `full`, or as the `evidence` of labeled images held out for a "
          + "while says, which rises slowly and falls where the teacher gets worse."),
      Field(
        "threshold", \.threshold, in: .init(), .choice(),
        "Whether γ_t is one percentile of all unlabeled pixels (`global`), or for every `class` the same percentile of the "
          + "pixels that have it as pseudo-label."),
      Field(
        "ema_decay", \.emaDecay, in: .init(), .orAuto(.probability),
        "Upper limit of the factor a in teacher ← a · teacher + (1 − a) · student; `auto` is 1 − 3/K for a run of K "
          + "steps, at least 0.9: the average reaches over a third of any run."),
    ]
  }
}

extension Configuration.Loss: Section {
  static var fields: [Field<Self>] {
    [
      .ohem,
      Field(
        "class_weights", \.classWeights, in: .init(),
        .orNull(
          .list(of: .number("at least 0, at most 1000", example: 1) { $0 >= 0 && $0 <= 1000 }, example: "[1, 2.5]")),
        "Weights of the classes in the supervised loss of the main head, one number for each; the loss is the weighted mean "
          + "over pixels. null weighs all alike."),
      Field(
        "dice", \.dice, in: .init(),
        .number("at least 0, at most 1000", example: 1) { $0 >= 0 && $0 <= 1000 },
        "Weight of the soft Dice loss of the main head, which is added to the cross-entropy of labeled pixels: 1 minus the "
          + "mean over the classes in the labels of 2 Σ p·y / (Σ p + Σ y), sums over the global batch."),
      Field(
        "auxiliary_weight", \.auxiliaryWeight, in: .init(),
        .number("at least 0, at most 1000", example: 0.4) { $0 >= 0 && $0 <= 1000 },
        "Weight of the auxiliary head's supervised loss, where `model.auxiliary` is on."),
    ]
  }
}

extension Configuration.OHEM: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "threshold", \.threshold, in: .init(), .probability,
        "A labeled pixel counts if its true class has at most this probability …"),
      Field(
        "min_kept", \.minKept, in: .init(), .integer(1...Int.largest, example: 100_000), unit: "pixels",
        "… or is among this many of the least probable, over the global batch."),
    ]
  }
}

extension Configuration.Teacher: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "buffers", \.buffers, in: .init(), .choice(),
        "Running statistics of the teacher's batch norm: its `own`, or averaged from the student's as parameters are "
          + "(`ema`)."),
      Field(
        "start", \.start, in: .init(), .choice(),
        "When the teacher starts to follow the student: as a copy of it with the first `pseudo_labels`, or from the "
          + "`beginning` of the run, also of a supervised-only one, which is then evaluated by its teacher."),
    ]
  }
}

extension Configuration.Checkpoint: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "every_steps", \.everySteps, in: .init(), .orNull(.integer(1...Int.largest, example: 500)), unit: "steps",
        "Steps between checkpoints; null means one an epoch."),
      Field(
        "keep", \.keep, in: .init(), .integer(1...Int.largest, example: 3), unit: "files",
        "How many of the newest checkpoints are kept, beside the best."),
    ]
  }
}

extension Configuration.Integrity: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "every_steps", \.everySteps, in: .init(), .orNull(.integer(1...Int.largest, example: 100)), unit: "steps",
        "Steps between comparisons of all ranks' parameters, momentum and memory bank, bit for bit; a difference ends the "
          + "run. They are compared before every checkpoint too; null means only then.")
    ]
  }
}

extension Configuration.Watchdog: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "seconds", \.seconds, in: .init(), .orOff(.integer(1...1_000_000, example: 300)), unit: "s",
        "A rank that shows no progress for so long is late: those that wait for it name it and end the run. Start-up, and "
          + "the writing of a checkpoint, may take ten times as long; `off` lets ranks wait for ever.")
    ]
  }
}

extension Configuration.Evaluate: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "every_epochs", \.everyEpochs, in: .init(), .integer(1...1_000_000, example: 1), unit: "epochs",
        "Epochs between evaluations; the last epoch is always evaluated."),
      Field(
        "mode", \.mode, in: .init(), .choice(),
        "Images are taken whole, cut to `augment.crop` about their centre, or covered by windows of that size."),
      Field(
        "scales", \.scales, in: .init(), .evaluationScales,
        "The network sees each image resized by each of these factors; its logits are averaged."),
      Field(
        "flip", \.flip, in: .init(), .toggle,
        "Whether it sees each of these also mirrored left to right, and the average is over both."),
    ]
  }
}

extension Configuration.Compute: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "threads", \.threads, in: .init(), .orNull(.integer(1...4096, example: 2)), unit: "threads",
        "Threads of a rank; null means those that a resumed run had, else the node's cores divided by the ranks on it. Part "
          + "of what fixes the result's bits.")
    ]
  }
}

extension Configuration.Logs: Section {
  static var fields: [Field<Self>] {
    [
      Field(
        "tensorboard", \.tensorboard, in: .init(), .toggle,
        "Whether losses, rates, evaluations and their pictures are also written for TensorBoard, into `tensorboard/`."),
      Field(
        "openmetrics", \.openmetrics, in: .init(), .toggle,
        "Whether the run writes `metrics.prom`, its progress as OpenMetrics text, for a collector such as Prometheus' "
          + "node exporter."),
    ]
  }
}
