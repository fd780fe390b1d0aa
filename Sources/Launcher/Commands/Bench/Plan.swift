import ArgumentParser
import Compute
import Configuration
import Distributed
import Files
import Foundation
import Measurement
import Trainer

/// `u2pl plan`: what a step would cost on many ranks.
struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Predicts what a training step costs on many ranks.",
    discussion: """
      Counts what the ranks send each other in a step, and the time that takes on links of the given latency and \
      bandwidth, beside the time of the computation, which is measured here in a few steps unless it is given. Each rank \
      gets the same number of images, so the batch grows with the ranks. A host whose ranks share a link gives each its \
      share of the bandwidth; `mpirun -n 2 u2pl bench link` on two hosts measures both. For ten-gigabit Ethernet:

        u2pl plan --latency 20e-6 --bandwidth 1.2e9
        u2pl plan --config configs/camvid.yaml --ranks 4 --ranks 32 --latency 2e-6 --bandwidth 12e9 --step-seconds 3.1

      What is not in it: ranks that wait for a slower one, links that carry other traffic, and a network that cannot \
      carry all pairs at once.
      """)

  @Option(help: ArgumentHelp("A number of ranks; may be repeated.", valueName: "N"))
  var ranks: [Int] = []
  @Option(help: ArgumentHelp("From a message's sending to its arrival.", valueName: "seconds"))
  var latency: Double
  @Option(help: ArgumentHelp("Of a rank's link, in each direction.", valueName: "bytes/s"))
  var bandwidth: Double
  @Option(help: ArgumentHelp("A configuration, instead of the four options below.", valueName: "file"))
  var config: String?
  @Option(help: "resnet18, resnet34, resnet50 or resnet101.") var encoder = "resnet50"
  @Option(help: "Height and width of the images; with --config only where it has no augment.crop.") var crop: Int?
  @Option(help: "Classes.") var classes = 12
  @Option(help: "Channels of decoder and representation.") var width = 256
  @Option(help: "Labeled images of a rank.") var labeled = 1
  @Option(help: "Unlabeled images of a rank.") var unlabeled = 1
  @Option(
    help: ArgumentHelp("What a rank alone takes for its images; measured here if not given.", valueName: "seconds"))
  var stepSeconds: Double?
  @Option(help: ArgumentHelp("Of that, the backward pass, 0 to 1.", valueName: "share")) var backwardShare: Double?
  @Option(help: "Threads of the rank that is measured; all cores if not given.") var threads: Int?
  @Flag(help: "Print one JSON object instead of the table.") var json = false

  func validate() throws {
    guard ranks.allSatisfy({ (1...1 << 20).contains($0) }) else {
      throw ValidationError("--ranks must be 1 to \(1 << 20)")
    }
    guard latency >= 0, latency.isFinite, bandwidth > 0, bandwidth.isFinite else {
      throw ValidationError("--latency must be at least 0 seconds, --bandwidth more than 0 bytes a second")
    }
    guard labeled > 0, unlabeled > 0 else { throw ValidationError("--labeled and --unlabeled must be at least 1") }
    guard (crop ?? 33) >= 33 else { throw ValidationError("--crop must be at least 33") }
    guard (threads ?? 1) > 0 else { throw ValidationError("--threads must be at least 1") }
    guard (stepSeconds ?? 1) > 0, (0...1).contains(backwardShare ?? 0) else {
      throw ValidationError("--step-seconds must be more than 0, --backward-share 0 to 1")
    }
  }

  func run() throws {
    try RankedProcess.run { ranks in
      let (settings, size): (Configuration, (height: Int, width: Int)) = try ranks.together { try readSettings() }
      // It is about one rank, however many have been started.
      guard ranks.rank == 0 else { return }
      let plan = StepPlan(settings, height: size.height, width: size.width)
      let work = try timedWork(settings, size)
      let link = StepPlan.Link(latency: latency, bandwidth: bandwidth)
      let counts = self.ranks.isEmpty ? [1, 2, 4, 16, 64, 256, 1024] : self.ranks
      let costs = counts.map { plan.cost(ranks: $0, work: work, link: link) }
      RankedProcess.say(
        json ? Self.json(plan, work, costs) : table(plan, settings, size, work, costs).joined(separator: "\n"))
    }
  }

  private func readSettings() throws -> (Configuration, (height: Int, width: Int)) {
    let side = crop ?? 257
    guard let config else {
      let settings = try Configuration(
        yaml: """
          data: {kind: shapes, labeled: 64, unlabeled: 64, classes: \(classes), size: \(side)}
          augment: {crop: off, scale: off}
          model: {encoder: \(encoder), width: \(width), features: \(width)}
          """, source: "plan", overrides: [])
      return (settings, (side, side))
    }
    let settings = try Configuration.load(path: config)
    guard settings.u2pl.enabled else {
      throw PlanError(description: "\(config): u2pl.enabled is off; a plan is of semi-supervised steps")
    }
    guard let size = settings.augment.crop.map({ ($0.height, $0.width) }) ?? crop.map({ ($0, $0) }) else {
      throw PlanError(description: "\(config): augment.crop is off; say how large images are with --crop")
    }
    return (settings, size)
  }

  private struct PlanError: Error, CustomStringConvertible { let description: String }

  private func timedWork(_ settings: Configuration, _ size: (height: Int, width: Int)) throws -> StepPlan.Work {
    if let stepSeconds {
      return StepPlan.Work(
        labeled: labeled, unlabeled: unlabeled, seconds: stepSeconds, backwardShare: backwardShare)
    }
    if !json { RankedProcess.say("measuring three steps of one rank …") }
    try BLAS.load()
    _ = try RankedProcess.setThreads(threads, ranks: .alone)
    let work = try StepPlan.Work.measured(
      settings, height: size.height, width: size.width, labeled: labeled, unlabeled: unlabeled)
    return StepPlan.Work(
      labeled: labeled, unlabeled: unlabeled, seconds: work.seconds,
      backwardShare: backwardShare ?? work.backwardShare)
  }

  private func table(
    _ plan: StepPlan, _ settings: Configuration, _ size: (height: Int, width: Int), _ work: StepPlan.Work,
    _ costs: [StepPlan.Cost]
  ) -> [String] {
    let images = labeled + unlabeled
    var lines = [
      String(
        format:
          "%@ at %d×%d, %.1f million parameters; %d + %d images a rank in %.4f s, %.0f %% of it the backward pass",
        settings.model.encoder.rawValue, size.height, size.width, Double(plan.parameters) * 1e-6, labeled, unlabeled,
        work.seconds, work.backwardShare * 100),
      String(
        format: "link: %.1f µs, %.1f MB/s in each direction; seconds a step below", latency * 1e6, bandwidth * 1e-6),
      "",
      "ranks   batch   compute  gradients, not hidden  batch norm      rest      step  images/s  efficiency  MB sent  most",
    ]
    for cost in costs {
      func exposed(_ part: StepPlan.Part) -> Double { cost.exposed.first { $0.part == part }?.seconds ?? 0 }
      let gradients = exposed(.gradients), norm = exposed(.batchNorm)
      let sent = plan.traffic(ranks: cost.ranks, labeled: labeled, unlabeled: unlabeled).reduce(0) {
        $0 + $1.traffic.linkBytes
      }
      lines.append(
        String(
          format: "%5d  %6d  %8.4f  %9.4f   %9.4f  %10.4f  %8.4f  %8.4f  %8.1f  %8.1f %%  %7.1f  ", cost.ranks,
          cost.ranks * images, cost.compute, cost.gradients, gradients, norm,
          cost.seconds - cost.compute - gradients - norm, cost.seconds, Double(cost.ranks * images) / cost.seconds,
          cost.efficiency * 100, sent * 1e-6) + (cost.greatest?.rawValue ?? ""))
    }
    return lines
  }

  private static func json(_ plan: StepPlan, _ work: StepPlan.Work, _ costs: [StepPlan.Cost]) -> String {
    func byPart(_ values: [(part: StepPlan.Part, value: Double)]) -> JSONLine {
      var line = JSONLine()
      for (part, value) in values { line.add(part.rawValue, value) }
      return line
    }
    let rows = costs.map { cost in
      let traffic = plan.traffic(ranks: cost.ranks, labeled: work.labeled, unlabeled: work.unlabeled)
      var row = JSONLine()
      row.add("ranks", cost.ranks)
      row.add("seconds", cost.seconds)
      row.add("compute", cost.compute)
      row.add("gradients", cost.gradients)
      row.add("efficiency", cost.efficiency)
      row.add("exposed", byPart(cost.exposed.map { ($0.part, $0.seconds) }))
      row.add("link_bytes", byPart(traffic.map { ($0.part, $0.traffic.linkBytes) }))
      row.add("rounds", byPart(traffic.map { ($0.part, $0.traffic.rounds) }))
      row.add("bytes_sent", traffic.reduce(0.0) { $0 + $1.traffic.handedBytes })
      return row
    }
    var line = JSONLine()
    line.add("parameters", plan.parameters)
    line.add("step_seconds", work.seconds)
    line.add("backward_share", work.backwardShare)
    line.add("plan", rows)
    return line.text
  }
}
