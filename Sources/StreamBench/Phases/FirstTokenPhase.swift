import Streaming

/// The time to the first token of one stream at a time, and what the relay adds to it.
struct FirstTokenPhase: Phase {
  private let requests: Int

  init(_ extent: Extent) {
    requests = extent.ttftRequests
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    let (load, floor) = try site.loadBesideFloor(
      site.plan("n=3 rate=0 size=12", tokens: 3, streams: 1, total: requests))
    let own = load.result.tally.firstToken
    func added(_ percent: Double) -> Double? {
      guard let floor, let own = own.percentile(percent)?.microseconds else { return nil }
      return own - LoadResult.mean(floor) { $0.tally.firstToken.percentile(percent)?.microseconds ?? 0 }
    }
    result.add(
      [
        Figure(.ttftAddedMedian, added(50)), Figure(.ttftAdded99, added(99)),
        Figure(.ttftMedian, own.percentile(50)?.microseconds), Figure(.ttft99, own.percentile(99)?.microseconds),
      ], load.result)
  }
}
