/// Tokens a second, as fast as the sockets take them.
struct FloodPhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    let tokens = extent.floodTokens
    let (load, floor) = try site.loadBesideFloor(
      site.plan("n=\(tokens) rate=0 size=12", tokens: tokens, streams: 16, total: extent.floodStreams))
    let rate = load.result.tokensPerSecond
    let ratio = floor.map { rate / LoadResult.mean($0, \.tokensPerSecond) }
    result.add([Figure(.floodToAlone, ratio), Figure(.flood, rate)] + load.cost, load.result)
  }
}
