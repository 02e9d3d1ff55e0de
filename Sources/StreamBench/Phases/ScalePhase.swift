import Streaming

/// From a hundred streams to eight thousand.
struct ScalePhase: Phase {
  private let extent: Extent

  init(_ extent: Extent) {
    self.extent = extent
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    guard case .sheepfcgi(var settings) = site.contender.kind else { return }
    settings.workers = 2
    let site = try Site(.sheepfcgi(settings), on: site.bed)
    defer { site.end() }
    for streams in extent.scaleStreams {
      guard site.capacity(of: streams) == streams else {
        result.notes.append("not with \(streams) streams: \(site.shortage(of: streams))")
        continue
      }
      try site.startFresh()
      let loops = site.relay?.family.eventLoops
      var spread: Aside<Double?>?
      let plan = IdlePhase.plan(site, streams: streams, tokens: extent.scaleTokens)
      let load = try site.load(plan, watchesMemory: true) { open in
        // Not here, where tokens would wait for it and the bench measure itself.
        if open == streams, spread == nil, let loops {
          spread = Aside { [workers = settings.workers] in EventLoops.spread(loops.descriptors, workers: workers) }
        }
      }
      result.add(figures(load, spread?.value ?? nil), load.result, label: "\(streams)")
    }
  }

  private func figures(_ load: Measurement, _ spread: Double?) -> [Figure?] {
    let tally = load.result.tally
    // Late on the way; or at the provider already, which then shows in the gap alone.
    let late = max(tally.delay.share(above: .milliseconds(500)) ?? 0, tally.gap.share(above: .milliseconds(1500)) ?? 0)
    return [
      Figure(.late, late * 100),
      Figure(.relayCPU, load.relayCPU.map(load.result.perToken)),
      Figure(.nginxCPU, load.result.perToken(load.nginxCPU)),
      IdlePhase.memory(load), Figure(.spread, spread),
      Figure(.gap99, tally.gap.percentile(99)?.milliseconds),
      Figure(.delayMedian, tally.delay.percentile(50)?.microseconds),
      Figure(.delay99, tally.delay.percentile(99)?.microseconds),
    ]
  }
}
