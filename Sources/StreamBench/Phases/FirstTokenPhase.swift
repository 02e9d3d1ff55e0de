import Streaming

/// The time to the first token of one stream at a time, and what the relay adds to it.
struct FirstTokenPhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    let plan = site.plan("n=3 rate=0 size=12", tokens: 3, streams: 1, total: extent.ttftRequests)
    let measurements = try (0..<extent.repeats).map { _ in try site.loadBesideFloor(plan) }
    result.add(measurements) { measurement in
      let own = measurement.load.result.tally.firstToken
      return [
        Figure(.ttftAddedMedian, Self.added(50, measurement)), Figure(.ttftAdded99, Self.added(99, measurement)),
        Figure(.ttftMedian, own.percentile(50)?.microseconds), Figure(.ttft99, own.percentile(99)?.microseconds),
      ]
    }
  }

  private static func added(_ percent: Double, _ measurement: BesideFloor) -> Double? {
    measurement.difference { $0.tally.firstToken.percentile(percent)?.microseconds }
  }
}
