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
}
