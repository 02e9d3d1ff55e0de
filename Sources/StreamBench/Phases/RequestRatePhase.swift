/// Streams begun and ended a second.
struct RequestRatePhase: Phase {
  private let requests: Int

  init(_ extent: Extent) {
    requests = extent.rpsRequests
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    let (load, floor) = try site.loadBesideFloor(
      site.plan("n=3 rate=0 size=12", tokens: 3, streams: 32, total: requests))
    let rate = load.result.requestsPerSecond
    let ratio = floor.map { rate / LoadResult.mean($0, \.requestsPerSecond) }
    result.add([Figure(.requestsToAlone, ratio), Figure(.requests, rate)] + load.cost, load.result)
  }
}
