/// Streams begun and ended a second.
struct RequestRatePhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    let plan = site.plan("n=3 rate=0 size=12", tokens: 3, streams: 32, total: extent.rpsRequests)
    let measurements = try (0..<extent.repeats).map { _ in try site.loadBesideFloor(plan) }
    result.add(measurements) { measurement in
      [
        Figure(.requestsToAlone, measurement.ratio(\.requestsPerSecond)),
        Figure(.requests, measurement.load.result.requestsPerSecond),
      ] + measurement.load.cost
    }
  }
}
