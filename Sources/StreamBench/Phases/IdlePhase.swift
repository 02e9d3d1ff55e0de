import Streaming

/// Memory that an open stream costs.
struct IdlePhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    try site.startFresh()
    let load = try site.load(
      Self.plan(site, streams: extent.idleStreams, tokens: extent.idleTokens), watchesMemory: true)
    result.note(streams: load.result.started, of: extent.idleStreams, at: site)
    result.add([Self.memory(load), Figure(.streams, Double(load.result.peakOpen))] + load.cost, load.result)
  }

  /// So many streams, a thousand more each second, with a token a second.
  static func plan(_ site: Site, streams: Int, tokens: Int) -> LoadPlan {
    let streams = site.capacity(of: streams)
    var plan = site.plan("n=\(tokens) rate=1 size=20", tokens: tokens, streams: streams, total: streams)
    plan.ramp = 1000
    plan.timeout = .seconds(Double(streams) / 1000 + Double(tokens) + 60)
    return plan
  }

  static func memory(_ load: Measurement) -> Figure? {
    guard load.relayCPU != nil, load.result.peakOpen > 0 else { return nil }
    return Figure(.streamMemory, Double(load.grownBytes) / 1024 / Double(load.result.peakOpen))
  }
}

extension Site {
  /// A process without a past, and warm: what it does once is not of the load that follows.
  func startFresh() throws {
    try restart()
    _ = try relay?.settle()
    _ = try load(plan("n=3 rate=0 size=12", tokens: 3, streams: 4, total: 100))
  }
}
