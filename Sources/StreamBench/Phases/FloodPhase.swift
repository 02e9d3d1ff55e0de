/// Tokens a second, as fast as the sockets take them.
struct FloodPhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    let tokens = extent.floodTokens
    let measurement = try site.loadBesideFloor(
      site.plan("n=\(tokens) rate=0 size=12", tokens: tokens, streams: 16, total: extent.floodStreams))
    result.add([measurement]) { measurement in
      [
        Figure(.floodToAlone, measurement.ratio(\.tokensPerSecond)),
        Figure(.flood, measurement.load.result.tokensPerSecond),
      ] + measurement.load.cost
    }
  }
}
