extension Configuration {
  /// What no key can tell alone.
  func check(_ document: Item, source: Place) throws(ConfigurationError) {
    /// The first of these keys that was given, or else the file.
    func place(_ paths: String...) -> Place {
      for path in paths {
        if let item = document[path.split(separator: ".")] { return item.place }
      }
      return source
    }

    try checkList(data.labeled, "labeled", place("data.labeled"))
    if let list = data.unlabeled { try checkList(list, "unlabeled", place("data.unlabeled")) }
    if let list = data.validation { try checkList(list, "validation", place("data.validation")) }
    if u2pl.enabled, data.unlabeled == nil {
      throw ConfigurationError(
        place("data.unlabeled", "data"),
        "data.unlabeled is missing; give the unlabeled samples as --set data.unlabeled=\(listExample), or set "
          + "u2pl.enabled to off for supervised training only")
    }
    guard u2pl.lowRank < u2pl.highRank else {
      throw ConfigurationError(
        place("u2pl.low_rank", "u2pl.high_rank"),
        "u2pl.low_rank (\(u2pl.lowRank)) must be below u2pl.high_rank (\(u2pl.highRank)); the published values are 3 "
          + "and 20")
    }
    if let supervised = schedule.supervisedEpochs, supervised > schedule.epochs {
      throw ConfigurationError(
        place("schedule.supervised_epochs", "schedule.epochs"),
        "schedule.supervised_epochs (\(supervised)) must be at most schedule.epochs (\(schedule.epochs))"
      )
    }
    let (steps, overflow) = schedule.epochs.multipliedReportingOverflow(by: schedule.stepsPerEpoch ?? 1)
    guard !overflow, steps <= Int.largest else {
      throw ConfigurationError(
        place("schedule.steps_per_epoch"),
        "schedule.epochs times schedule.steps_per_epoch must be at most \(Int.largest) steps")
    }
    try checkCounts(document, source)
    try checkChannels(place)
    if let group = data.group, (try? Regex(group)) == nil {
      throw ConfigurationError(
        place("data.group"), "data.group '\(group)' is no regular expression; write one such as 'patient[0-9]+'")
    }
    if let weights = loss.classWeights, !weights.contains(where: { $0 > 0 }) {
      throw ConfigurationError(
        place("loss.class_weights"),
        "loss.class_weights has \(weights.count) numbers, none above 0; write one for each class, or null")
    }
    let follows = [("supervised_teacher", semantics.supervisedTeacher), ("teacher_copy", semantics.teacherCopy)]
    if u2pl.enabled, teacher.start == .beginning, let row = follows.first(where: { $0.1 == .published }) {
      throw ConfigurationError(
        place("semantics.\(row.0)", "semantics", "teacher.start"),
        "semantics.\(row.0) published is of a teacher that does not follow the student before pseudo-labels begin, and "
          + "teacher.start is beginning; set teacher.start to pseudo_labels, or semantics.\(row.0) to equations")
    }
    if augment.scale != nil, augment.crop == nil {
      throw ConfigurationError(
        place("augment.scale", "augment.crop"),
        "augment.scale makes images of different sizes, which cannot form a batch without augment.crop; give a crop such "
          + "as 'crop: 513', or set scale to off")
    }
    if evaluate.mode != .whole, augment.crop == nil {
      throw ConfigurationError(
        place("evaluate.mode"),
        "evaluate.mode \(evaluate.mode.rawValue) needs a size; give augment.crop, or evaluate whole images")
    }
  }

  /// Lists with a value for each class. Where `data.classes` and such a list were written in different places, as in a
  /// file and one that it extends, or in `--set`, the message is about `data.classes`: the list fitted its own.
  private func checkCounts(_ document: Item, _ source: Place) throws(ConfigurationError) {
    var lists = [
      ("u2pl.capacity", u2pl.capacity.count, "write one number for each class, or one number for all")
    ]
    if let weights = loss.classWeights {
      lists.append(("loss.class_weights", weights.count, "write one number for each class, or null"))
    }
    if case .colors(let colors)? = data.palette {
      lists.append(("data.palette", colors.count, "write one [red, green, blue] for each class"))
    }
    for (key, count, remedy) in lists where count != data.classes {
      let place = document[key.split(separator: ".")]?.place ?? source
      if let classes = document[["data", "classes"]]?.place, classes.source != place.source {
        throw ConfigurationError(
          classes,
          "data.classes: \(data.classes) classes, but \(key) has a list of \(count) (\(place)); give it anew, too, such as "
            + "--set \(key)=null")
      }
      throw ConfigurationError(place, "\(key): a list of \(count) for \(data.classes) classes; \(remedy)")
    }
  }

  /// What images of another number of channels than three cannot have.
  private func checkChannels(_ place: (String...) -> Place) throws(ConfigurationError) {
    for (key, count) in [("data.mean", data.mean.count), ("data.std", data.std.count)] where count != data.channels {
      throw ConfigurationError(
        place(key, "data.channels"),
        "\(key): a list of \(count) for images of \(data.channels) \(data.channels == 1 ? "channel" : "channels") "
          + "(data.channels); write one number for each, or one for all")
    }
    guard data.channels != 3 else { return }
    guard data.kind != .shapes else {
      throw ConfigurationError(
        place("data.channels"), "data.channels: images of data.kind shapes have 3 channels; take the key out")
    }
    for (key, color) in [("augment.color", augment.color), ("augment.strong.color", augment.strong.color)] {
      guard let color, color.saturation > 0 || color.hue > 0 else { continue }
      throw ConfigurationError(
        place(key),
        "\(key): saturation and hue are those of three channels, and data.channels is \(data.channels); write "
          + "[\(color.brightness), \(color.contrast), 0, 0]")
    }
    if augment.strong.greyProbability > 0 {
      throw ConfigurationError(
        place("augment.strong.grey_probability"),
        "augment.strong.grey_probability: only images of three channels can lose their colour, and data.channels is "
          + "\(data.channels); set it to 0")
    }
  }

  private func checkList(_ list: ListSource, _ key: String, _ place: Place) throws(ConfigurationError) {
    switch (data.kind, list) {
    case (.shapes, .count): break
    case (_, .count(let count)):
      throw ConfigurationError(
        place,
        "data.\(key): expected the path of a list for data.kind \(data.kind.rawValue), found the number \(count); for example "
          + "'\(key): \(listExample)' (a file so named goes in quotes)")
    case (.shapes, .file(let path)):
      throw ConfigurationError(
        place,
        "data.\(key): expected a count for data.kind shapes, found the text '\(clipped(path))'; for example "
          + "'\(key): \(listExample)'")
    case (_, .file): break
    }
  }

  private var listExample: String { data.kind == .shapes ? "200" : "splits/list.txt" }
}
