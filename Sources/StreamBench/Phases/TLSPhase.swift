import Streaming

/// What a provider behind TLS costs the worker, with HTTP/1.1 and with HTTP/2.
struct TLSPhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    guard case .sheepfcgi(let settings) = site.contender.kind else { return }
    let provider = try SecureProvider(
      provider: site.bed.provider.port, connections: site.bed.descriptors - 128, in: try site.bed.newFolder())
    defer { provider.end() }
    var plainTTFT: Duration?
    for transport in SecureProvider.Transport.allCases {
      var variant = settings
      variant.configuration = try provider.configuration(transport)
      variant.environment = provider.environment
      let secure = try Site(.sheepfcgi(variant), on: site.bed)
      defer { secure.end() }
      try measure(secure, transport, provider, &plainTTFT, &result)
    }
    result.notes.append(
      "all three go through another nginx before the provider; the worst gap is that of 20 streams beside one whose "
        + "client does not read")
  }

  private func measure(
    _ site: Site, _ transport: SecureProvider.Transport, _ provider: SecureProvider, _ plainTTFT: inout Duration?,
    _ result: inout PhaseResult
  ) throws {
    // First of all, as it counts connections: none is there yet.
    let accepted = try provider.accepted()
    let rate = try site.load(site.plan("n=3 rate=0 size=12", tokens: 3, streams: 32, total: 1000))
    let handshakes = Double(try provider.accepted() - accepted) * 1000 / Double(max(rate.result.tally.completed, 1))
    let single = try site.load(site.plan("n=3 rate=0 size=12", tokens: 3, streams: 1, total: extent.ttftRequests))
    let ttft = single.result.tally.firstToken.percentile(50)
    let paced = try site.load(
      site.plan(
        "n=\(extent.pacedTokens) rate=50 size=20", tokens: extent.pacedTokens, streams: extent.pacedStreams,
        total: extent.pacedTotal))
    try site.startFresh()
    let idle = try site.load(
      IdlePhase.plan(site, streams: extent.tlsStreams, tokens: extent.scaleTokens / 2 + 1), watchesMemory: true)
    let beside = try besideOneThatDoesNotRead(site)
    result.add(
      paced.cost + [
        IdlePhase.memory(idle), Figure(.ttftMedian, ttft?.microseconds),
        Figure(.ttftAddedMedian, plainTTFT.flatMap { plain in ttft.map { ($0 - plain).microseconds } }),
        Figure(.requests, rate.result.requestsPerSecond), Figure(.handshakes, handshakes),
        Figure(.worstGap, beside.result.tally.gap.maximum.milliseconds),
        Figure(.growth, Double(beside.grownBytes) / 1_048_576),
      ], rate.result, single.result, paced.result, idle.result, beside.result,
      label: transport.title)
    if transport == .plain { plainTTFT = ttft }
  }

  /// 20 streams at 50 tokens/s, beside one that is flooded.
  private func besideOneThatDoesNotRead(_ site: Site) throws -> Measurement {
    try site.startFresh()
    var plan = site.plan("n=100 rate=50 size=20", tokens: 100, streams: 21, total: 21)
    plan.slow = LoadPlan.SlowReaders(
      count: 1, bytesPerSecond: 0, receiveBufferBytes: 4096, prompt: "n=1000000 rate=0 size=200")
    let load = try site.load(plan, watchesMemory: true)
    _ = try site.bed.provider.waitUntilIdle(limit: .seconds(30))
    return load
  }
}
