import Streaming

/// How soon the provider learns that its clients have left.
struct CancelPhase: Phase {
  private let streams: Int

  init(_ extent: Extent) {
    streams = extent.cancelStreams
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    guard try site.bed.provider.waitUntilIdle(limit: .seconds(30)) != nil else {
      throw BenchError("the provider still streams to clients of an earlier phase")
    }
    var plan = site.plan("n=1000 rate=50 size=20", tokens: nil, streams: streams, total: streams)
    plan.total = plan.streams
    result.note(streams: plan.streams, of: streams, at: site)
    plan.leaveAfter = 5
    plan.leavesTogether = true
    plan.timeout = .seconds(15)
    // Without what it cost: to ask that of /proc would come between their leaving and the first look at the provider.
    let load = try LoadClient(plan).run()
    guard let leftAt = load.leftAt else {
      result.problems += load.failures
      throw BenchError("not all clients had \(plan.leaveAfter ?? 0) tokens within \(Int(plan.timeout.seconds)) s")
    }
    let time = try site.bed.provider.waitUntilIdle(since: leftAt, limit: .seconds(15))
    let left = try site.bed.provider.statistics().open
    try site.requireRelay()
    if time == nil { result.problems.append("the provider still streams to \(left) clients that left 15 s ago") }
    result.add([Figure(.cancelled, time?.milliseconds), Figure(.left, Double(left))], load)
  }
}
