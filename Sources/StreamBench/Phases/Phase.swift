/// One thing that is measured of a contender.
protocol Phase {
  init(_ extent: Extent)

  /// - Throws: why there are no figures.
  func measure(_ site: Site, into result: inout PhaseResult) throws
}

extension PhaseName {
  func phase(_ extent: Extent) -> any Phase {
    let type: any Phase.Type =
      switch self {
      case .startup: StartupPhase.self
      case .paced: PacedPhase.self
      case .ttft: FirstTokenPhase.self
      case .rps: RequestRatePhase.self
      case .flood: FloodPhase.self
      case .idle: IdlePhase.self
      case .slow: SlowReaderPhase.self
      case .cancel: CancelPhase.self
      case .scale: ScalePhase.self
      case .tls: TLSPhase.self
      }
    return type.init(extent)
  }

  /// Those that ask for more than one way of starting the worker, and so know only our own.
  var isOurOwn: Bool { self == .scale || self == .tls }

  /// Those that measure what is done all day, not what a process does once.
  var wantsWarmth: Bool { [.paced, .ttft, .rps, .flood].contains(self) }
}

extension PhaseResult {
  /// A row of figures, and what was wrong with the streams of the loads that they come from.
  mutating func add(_ figures: [Figure?], _ loads: LoadResult..., label: String = "") {
    rows.append(Row(label: label, figures: figures.compactMap { $0 } + LoadResult.correctness(of: loads)))
    let place = label.isEmpty ? "" : "\(label): "
    problems += loads.flatMap(\.failures).map { place + $0 }
  }

  /// A row with the median of each figure of several measurements.
  mutating func add(_ measurements: [BesideFloor], _ figures: (BesideFloor) -> [Figure?]) {
    let loads = measurements.map(\.load.result)
    let medians = Figure.medians(measurements.map { figures($0).compactMap(\.self) })
    rows.append(Row(figures: medians + LoadResult.correctness(of: loads)))
    problems += loads.flatMap(\.failures) + measurements.flatMap(\.faults)
  }

  /// Says where there are fewer streams than the others have, and why.
  mutating func note(streams: Int, of wanted: Int, at site: Site) {
    guard streams < wanted else { return }
    let reason = site.contender.maximumStreams == streams ? "more it cannot hold" : site.shortage(of: wanted)
    notes.append("\(streams) streams in place of \(wanted): \(reason)")
  }
}
