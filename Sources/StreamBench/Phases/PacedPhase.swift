/// What a token costs, and when it comes, at the pace of a model.
struct PacedPhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    let plan = site.plan(
      "n=\(extent.pacedTokens) rate=50 size=20", tokens: extent.pacedTokens, streams: extent.pacedStreams,
      total: extent.pacedTotal)
    result.note(streams: plan.streams, of: extent.pacedStreams, at: site)
    let load = try site.load(plan)
    result.add(load.cost + Self.timing(load.result.tally), load.result)
  }

  /// How evenly tokens come, and how long after the provider sent them.
  static func timing(_ tally: Tally) -> [Figure?] {
    [
      Figure(.gapMedian, tally.gap.percentile(50)?.milliseconds),
      Figure(.gap99, tally.gap.percentile(99)?.milliseconds),
      Figure(.gap999, tally.gap.percentile(99.9)?.milliseconds),
      Figure(.delayMedian, tally.delay.percentile(50)?.microseconds),
      Figure(.delay99, tally.delay.percentile(99)?.microseconds),
      Figure(.delay999, tally.delay.percentile(99.9)?.microseconds),
    ]
  }
}
