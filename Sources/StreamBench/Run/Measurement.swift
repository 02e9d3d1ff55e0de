import Streaming

/// A load, and what it cost those who served it.
struct Measurement {
  let result: LoadResult
  /// Nil: there is no relay.
  let relayCPU: Duration?
  let nginxCPU: Duration
  let providerCPU: Duration
  /// Of the relay, before the load.
  let residentBytes: Int
  /// The most that it came to.
  let peakBytes: Int

  var grownBytes: Int { peakBytes - residentBytes }

  /// Streams that failed or, where they should have, did not end; lost, doubled and misplaced tokens.
  static func correctness(of loads: [Measurement]) -> [Figure] {
    func sum(_ count: (LoadResult) -> Int) -> Double { Double(loads.reduce(0) { $0 + count($1.result) }) }
    return [
      Figure(.failed, sum { $0.tally.failed + $0.unfinished }),
      Figure(.lost, sum(\.tally.lost)),
      Figure(.doubled, sum(\.tally.doubled)),
      Figure(.outOfOrder, sum(\.tally.outOfOrder)),
    ]
  }

  var cost: [Figure] {
    var figures: [Figure] = []
    if let relayCPU {
      figures.append(Figure(.relayCPU, result.perToken(relayCPU)))
      if nginxCPU > .zero { figures.append(Figure(.relayToNginx, relayCPU / nginxCPU)) }
    }
    figures.append(Figure(.nginxCPU, result.perToken(nginxCPU)))
    figures.append(Figure(.providerCPU, result.perToken(providerCPU)))
    figures.append(Figure(.clientCPU, result.perToken(result.clientCPU)))
    return figures
  }

  /// What went wrong with streams, and how often.
  var failures: [String] {
    result.tally.failures.sorted { $0.value > $1.value }.map { "\($0.value) streams: \($0.key)" }
      + (result.unfinished > 0 ? ["\(result.unfinished) streams had not ended when the time was up"] : [])
  }
}
