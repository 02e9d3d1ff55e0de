import Streaming

/// Clients that hardly read must not fill the relay's memory.
struct SlowReaderPhase: Phase {
  private let time: Duration

  init(_ extent: Extent) {
    time = extent.slowTime
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    try site.startFresh()
    var plan = site.plan("n=200000 rate=0 size=200", tokens: nil, streams: 20, total: 20)
    plan.slow = LoadPlan.SlowReaders(count: plan.streams, bytesPerSecond: 200, receiveBufferBytes: 4096)
    plan.timeout = time
    let before = try site.bed.provider.statistics().tokens
    let load = try site.load(plan, watchesMemory: true)
    let taken = try site.bed.provider.statistics().tokens - before
    let growth = site.relay == nil ? nil : Double(load.grownBytes) / 1_048_576
    result.add([Figure(.growth, growth), Figure(.providerTokens, Double(taken))], load.result)
    _ = try site.bed.provider.waitUntilIdle(limit: .seconds(30))
  }
}
