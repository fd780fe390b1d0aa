import Checkpoint
import Configuration
import HDF5
import Method
import Network
import Weights

// What a run needs to go on, and how it lies in the file. There is no generator state: draws depend on the step.

extension U2PLTrainer {
  /// The whole state: `student/NAME` and `teacher/NAME` as PyTorch state_dicts, `optimizer/momentum/NAME`, with AdamW
  /// `optimizer/second_moment/NAME`, `bank/vectors` [stored, D] and `bank/queue/C` (numbers of these vectors, oldest first)
  /// where there are any, and with `semantics.anchor_ema` `bank/positives` [C, D]. The same bits at any rank count.
  public func snapshot() -> CheckpointContents {
    var contents = CheckpointContents()
    contents.attributes["step"] = .int(Int64(step))
    contents.attributes["epoch"] = .int(Int64(schedule.epoch(ofStep: step)))
    contents.attributes["semi_supervised_steps"] = .int(Int64(semiSupervisedSteps))
    contents.attributes["seed"] = .int(Int64(bitPattern: configuration.run.seed))
    contents.attributes["config"] = .string(configuration.yaml())
    for (group, network) in [("student", student), ("teacher", teacher)] {
      for entry in network.parameters.entries {
        contents.datasets["\(group)/\(entry.name)"] = network.parameters.stored(entry)
      }
    }
    contents.attributes["evaluated_network"] = .string(evaluatesTeacher ? "teacher" : "student")
    contents.attributes["optimizer"] = .string(optimizer.kind.rawValue)
    for (group, values) in optimizer.state {
      for entry in student.parameters.entries where entry.kind == .parameter {
        contents.datasets["\(group)/\(entry.name)"] = StoredDataset(
          shape: entry.shape, values: .float32(Array(values[entry.range])))
      }
    }
    let (vectors, queues) = bank.snapshot()
    // An empty queue is left out: h5diff does not count two empty datasets as equal.
    for (c, queue) in queues.enumerated() where !queue.isEmpty {
      contents.datasets["bank/queue/\(c)"] = StoredDataset(shape: [queue.count], values: .int32(queue))
    }
    if !vectors.isEmpty {
      contents.datasets["bank/vectors"] = StoredDataset(
        shape: [vectors.count / bank.features, bank.features], values: .float32(vectors))
    }
    if let positives {
      contents.datasets["bank/positives"] = StoredDataset(
        shape: [positives.values.count, bank.features], values: .float32(positives.values.flatMap { $0 }))
    }
    return contents
  }

  /// Takes over the state that rank 0 has read. Collective; other ranks pass nil.
  ///
  /// - Parameter path: what messages call the file.
  /// - Throws: ``CollectiveFailure`` on every rank when the checkpoint is of another model or lacks something.
  public func restore(_ contents: CheckpointContents?, path: String) throws {
    var storedBank: MemoryBank.NewKeys?
    try ranks.together {
      guard let contents else { return }
      try requireSameModel(contents, path)
      for (group, network) in [("student", student), ("teacher", teacher)] {
        let stored = contents.datasets(in: group)
        try network.parameters.load(stored, strict: true, source: "\(path), group /\(group)")
      }
      try restoreOptimizer(contents, path)
      storedBank = try bankContents(contents, path)
      if let positives, case .float32(let values)? = contents.datasets["bank/positives"]?.values {
        guard values.count == positives.values.count * bank.features else {
          throw CheckpointError(description: "\(path): /bank/positives is misshapen")
        }
        positives.set(values)
      }
      guard case .int(let step)? = contents.attributes["step"],
        case .int(let semiSupervised)? = contents.attributes["semi_supervised_steps"]
      else { throw CheckpointError(description: "\(path): the attributes step and semi_supervised_steps are missing") }
      self.step = Int(step)
      semiSupervisedSteps = Int(semiSupervised)
    }
    try shareState()
    try share(storedBank)
  }

  private func restoreOptimizer(_ contents: CheckpointContents, _ path: String) throws {
    // Checkpoints that do not say so are of SGD.
    var kind = Configuration.Optimizer.Kind.sgd.rawValue
    if case .string(let stored)? = contents.attributes["optimizer"] { kind = stored }
    guard kind == optimizer.kind.rawValue else {
      throw CheckpointError(
        description: "\(path) has the state of optimizer.kind \(kind), the configuration says "
          + "\(optimizer.kind.rawValue); resume with --set optimizer.kind=\(kind), or begin anew from its weights with "
          + "--set model.weights=\(path) and another --run")
    }
    for (group, state) in optimizer.state {
      let stored = contents.datasets(in: group)
      for entry in student.parameters.entries where entry.kind == .parameter {
        guard case .float32(let values)? = stored[entry.name]?.values, values.count == entry.count else {
          throw CheckpointError(description: "\(path): /\(group)/\(entry.name) is missing or misshapen")
        }
        for (i, value) in values.enumerated() { state[entry.offset + i] = value }
      }
    }
  }

  private func bankContents(_ contents: CheckpointContents, _ path: String) throws -> MemoryBank.NewKeys {
    var vectors: [Float] = []
    if let stored = contents.datasets["bank/vectors"] {
      guard case .float32(let values) = stored.values, values.count % bank.features == 0 else {
        throw CheckpointError(description: "\(path): /bank/vectors is misshapen")
      }
      vectors = values
    }
    let stored = vectors.count / bank.features
    let queues = try bank.capacities.indices.map { c -> [Int32] in
      guard let dataset = contents.datasets["bank/queue/\(c)"] else { return [] }
      guard case .int32(let queue) = dataset.values, queue.allSatisfy({ $0 >= 0 && $0 < stored }) else {
        throw CheckpointError(description: "\(path): /bank/queue/\(c) names vectors that are not there")
      }
      return Array(queue.suffix(bank.capacities[c]))
    }
    return MemoryBank.NewKeys(vectors: vectors, numbers: queues.map { $0.map(Int.init) })
  }

  private func requireSameModel(_ contents: CheckpointContents, _ path: String) throws {
    guard case .string(let yaml)? = contents.attributes["config"] else {
      throw CheckpointError(description: "\(path): the attribute config is missing; this is no checkpoint of a run")
    }
    let then = SegmenterShape(try Configuration(yaml: yaml, source: "\(path), attribute config", overrides: []))
    let now = SegmenterShape(configuration)
    guard then == now else {
      let different = zip(then.parts, now.parts).filter { $0 != $1 }
      throw CheckpointError(
        description:
          "\(path) is of another model: it has \(different.map(\.0).joined(separator: ", ")), the configuration says "
          + "\(different.map(\.1).joined(separator: ", ")); u2pl inspect --config shows the configuration it was made with, "
          + "another --run starts from the beginning")
    }
  }

  /// Everything from rank 0 to all: only it has to see the file.
  private func shareState() throws {
    guard ranks.size > 1 else { return }
    func share(_ buffer: UnsafeMutableBufferPointer<Float>) throws {
      _ = buffer.update(fromContentsOf: try ranks.broadcast(Array(buffer), from: 0))
    }
    for network in [student, teacher] {
      try share(network.parameters.values)
      try share(network.parameters.buffers)
      network.parameters.counters = try ranks.broadcast(network.parameters.counters, from: 0)
      network.parameters.markChanged()
    }
    for (_, values) in optimizer.state { try share(values) }
    if let positives { positives.set(try ranks.broadcast(positives.values.flatMap { $0 }, from: 0)) }
    let numbers = try ranks.broadcast([Int64(step), Int64(semiSupervisedSteps)], from: 0)
    (step, semiSupervisedSteps) = (Int(numbers[0]), Int(numbers[1]))
  }

  /// The bank from rank 0 to the other nodes' leaders.
  private func share(_ contents: MemoryBank.NewKeys?) throws {
    let counts = try ranks.broadcast(
      [Int64(contents?.vectors.count ?? 0)] + bank.capacities.indices.map { Int64(contents?.numbers[$0].count ?? 0) },
      from: 0
    ).map(Int.init)
    guard let nodes = bank.nodes, nodes.isLeader else { return try bank.restore(contents, counts: Array(counts[1...])) }
    let vectors = try nodes.broadcastToLeaders(contents?.vectors ?? [Float](repeating: 0, count: counts[0]))
    let numbers = try bank.capacities.indices.map { c in
      try nodes.broadcastToLeaders(contents?.numbers[c] ?? [Int](repeating: 0, count: counts[1 + c]))
    }
    try bank.restore(MemoryBank.NewKeys(vectors: vectors, numbers: numbers), counts: Array(counts[1...]))
  }

  /// Starts student and teacher from a weights file that rank 0 reads: safetensors or HDF5, also of an encoder alone.
  /// Collective.
  ///
  /// - Parameter note: told what was left out, of the file and of the model.
  /// - Throws: ``CollectiveFailure`` on every rank, listing missing, unknown and misshapen names.
  public func load(weights path: String, note: (String) -> Void) throws {
    var notes: [String] = []
    try ranks.together {
      guard ranks.rank == 0 else { return }
      notes = try student.parameters.start(
        from: try NamedWeights(path), student.shape, strict: configuration.model.strict)
    }
    notes.forEach(note)
    try shareState()
    teacher.parameters.copy(from: student.parameters)
  }
}

extension CheckpointContents {
  /// The datasets of a group, by name within it.
  public func datasets(in group: String) -> [String: StoredDataset] {
    let prefix = group + "/"
    var found: [String: StoredDataset] = [:]
    for (path, dataset) in datasets where path.hasPrefix(prefix) {
      found[String(path.dropFirst(prefix.count))] = dataset
    }
    return found
  }
}
