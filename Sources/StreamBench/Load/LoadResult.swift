import Streaming

/// What a load came to.
struct LoadResult {
  let tally: Tally
  let started: Int
  /// Open when the time was up.
  let unfinished: Int
  let peakOpen: Int
  let time: Duration
  /// When all clients left together: before the first of them closed.
  let leftAt: Instant?
  /// The load client's own, which shares the cores with what it measures.
  let clientCPU: Duration

  var tokensPerSecond: Double { Double(tally.tokens) / max(time.seconds, 1e-9) }
  var requestsPerSecond: Double { Double(tally.completed) / max(time.seconds, 1e-9) }

  /// Of several loads.
  static func mean(_ results: [LoadResult], _ figure: (LoadResult) -> Double) -> Double {
    results.reduce(0) { $0 + figure($1) } / Double(max(results.count, 1))
  }

  /// Streams that failed, or had not ended when the time was up; lost, doubled and misplaced tokens.
  static func correctness(of loads: [LoadResult]) -> [Figure] {
    func sum(_ count: (LoadResult) -> Int) -> Double { Double(loads.reduce(0) { $0 + count($1) }) }
    return [
      Figure(.failed, sum(\.tally.failed)),
      Figure(.unfinished, sum(\.unfinished)),
      Figure(.lost, sum(\.tally.lost)),
      Figure(.doubled, sum(\.tally.doubled)),
      Figure(.outOfOrder, sum(\.tally.outOfOrder)),
    ]
  }

  /// What went wrong with streams, and how often.
  var failures: [String] {
    tally.failures.sorted { $0.value > $1.value }.map { "\($0.value) streams: \($0.key)" }
      + (unfinished > 0 ? ["\(unfinished) streams had not ended when the time was up"] : [])
  }

  /// Microseconds a token.
  func perToken(_ cpu: Duration) -> Double { cpu.microseconds / Double(max(tally.tokens, 1)) }
}

extension LoadResult: Encodable {
  private enum Key: String, CodingKey {
    case seconds = "s"
    case started, completed, failed, unfinished, left, failures, tokens, bytes, lost, doubled
    case outOfOrder = "out_of_order"
    case tokensPerSecond = "tokens_per_s"
    case requestsPerSecond = "requests_per_s"
    case peakOpen = "peak_open"
    case delay = "token_us"
    case firstToken = "ttft_us"
    case gap = "gap_us"
    case clientCPU = "client_cpu_s"
    case clientCPUPerToken = "client_cpu_us_per_token"
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(time.seconds, forKey: .seconds)
    try values.encode(started, forKey: .started)
    try values.encode(tally.completed, forKey: .completed)
    try values.encode(tally.failed, forKey: .failed)
    try values.encode(unfinished, forKey: .unfinished)
    try values.encode(tally.left, forKey: .left)
    try values.encode(tally.failures, forKey: .failures)
    try values.encode(tally.tokens, forKey: .tokens)
    try values.encode(tally.bytes, forKey: .bytes)
    try values.encode(tally.lost, forKey: .lost)
    try values.encode(tally.doubled, forKey: .doubled)
    try values.encode(tally.outOfOrder, forKey: .outOfOrder)
    try values.encode(tokensPerSecond.rounded(), forKey: .tokensPerSecond)
    try values.encode(requestsPerSecond.rounded(), forKey: .requestsPerSecond)
    try values.encode(peakOpen, forKey: .peakOpen)
    try values.encode(Self.microseconds(tally.delay), forKey: .delay)
    try values.encode(Self.microseconds(tally.firstToken), forKey: .firstToken)
    try values.encode(Self.microseconds(tally.gap), forKey: .gap)
    try values.encode(clientCPU.seconds, forKey: .clientCPU)
    try values.encode(perToken(clientCPU), forKey: .clientCPUPerToken)
  }

  private static func microseconds(_ histogram: Histogram) -> [String: Double] {
    var result: [String: Double] = [:]
    for percent in [50, 99, 99.9] {
      result["p\(percent == 99.9 ? "99.9" : String(Int(percent)))"] = histogram.percentile(percent)?.microseconds
    }
    result["max"] = histogram.count > 0 ? histogram.maximum.microseconds : nil
    return result
  }
}
