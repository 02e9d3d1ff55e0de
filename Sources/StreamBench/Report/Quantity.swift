/// What a figure tells: its name in the JSON, its title in tables, its unit, and which way is better.
enum Quantity: String, Codable, CaseIterable {
  case listening = "listening_ms"
  case firstAnswer = "first_answer_ms"
  case resident = "resident_mb"
  case relayToNginx = "relay_to_nginx"
  case relayCPU = "relay_us_per_token"
  case nginxCPU = "nginx_us_per_token"
  case providerCPU = "provider_us_per_token"
  case clientCPU = "client_us_per_token"
  case gapMedian = "gap_p50_ms"
  case gap99 = "gap_p99_ms"
  case gap999 = "gap_p99.9_ms"
  case delayMedian = "delay_p50_us"
  case delay99 = "delay_p99_us"
  case delay999 = "delay_p99.9_us"
  case ttftAddedMedian = "added_ttft_p50_us"
  case ttftAdded99 = "added_ttft_p99_us"
  case ttftMedian = "ttft_p50_us"
  case ttft99 = "ttft_p99_us"
  case requestsToAlone = "requests_to_alone"
  case requests = "requests_per_s"
  case floodToAlone = "flood_to_alone"
  case flood = "tokens_per_s"
  case streamMemory = "kb_per_stream"
  case streams
  case growth = "growth_mb"
  case providerTokens = "provider_tokens"
  case cancelled = "cancelled_ms"
  case left = "provider_streams_left"
  case late = "late_percent"
  case spread = "spread"
  case handshakes = "handshakes_per_1000"
  case worstGap = "worst_gap_ms"
  case failed
  case unfinished
  case lost
  case doubled
  case outOfOrder = "out_of_order"

  enum Better { case lower, higher, neither }

  var title: String { facts.title }
  var unit: String { facts.unit }
  /// Digits behind the point in tables.
  var digits: Int { facts.digits }
  var better: Better { facts.better }

  /// What must be 0. A stream that has not ended when the time is up is slow, but no fault.
  var isFault: Bool { [.failed, .lost, .doubled, .outOfOrder, .left].contains(self) }

  private var facts: (title: String, unit: String, digits: Int, better: Better) {
    switch self {
    case .listening: ("listens after", "ms", 1, .lower)
    case .firstAnswer: ("first answer", "ms", 1, .lower)
    case .resident: ("resident after one answer", "MB", 1, .lower)
    case .relayToNginx: ("relay ÷ nginx", "", 2, .lower)
    case .relayCPU: ("relay CPU", "µs/token", 1, .lower)
    case .nginxCPU: ("nginx CPU", "µs/token", 1, .neither)
    case .providerCPU: ("provider CPU", "µs/token", 1, .neither)
    case .clientCPU: ("client CPU", "µs/token", 1, .neither)
    case .gapMedian: ("gap p50", "ms", 2, .neither)
    case .gap99: ("gap p99", "ms", 2, .lower)
    case .gap999: ("gap p99.9", "ms", 2, .lower)
    case .delayMedian: ("delay p50", "µs", 0, .lower)
    case .delay99: ("delay p99", "µs", 0, .lower)
    case .delay999: ("delay p99.9", "µs", 0, .lower)
    case .ttftAddedMedian: ("added TTFT p50", "µs", 0, .lower)
    case .ttftAdded99: ("added TTFT p99", "µs", 0, .lower)
    case .ttftMedian: ("TTFT p50", "µs", 0, .lower)
    case .ttft99: ("TTFT p99", "µs", 0, .lower)
    case .requestsToAlone: ("÷ nginx alone", "", 2, .higher)
    case .requests: ("requests", "1/s", 0, .higher)
    case .floodToAlone: ("÷ nginx alone", "", 2, .higher)
    case .flood: ("tokens", "1/s", 0, .higher)
    case .streamMemory: ("memory a stream", "kB", 1, .lower)
    case .streams: ("streams", "", 0, .neither)
    case .growth: ("growth", "MB", 1, .lower)
    case .providerTokens: ("tokens taken", "", 0, .neither)
    case .cancelled: ("all cancelled after", "ms", 1, .lower)
    case .left: ("left", "streams", 0, .lower)
    case .late: ("late tokens", "%", 2, .lower)
    case .spread: ("most loaded worker", "× its share", 2, .lower)
    case .handshakes: ("connections", "/1,000 requests", 1, .lower)
    case .worstGap: ("worst gap", "ms", 1, .lower)
    case .failed: ("failed", "streams", 0, .lower)
    case .unfinished: ("unfinished", "streams", 0, .lower)
    case .lost: ("lost", "tokens", 0, .lower)
    case .doubled: ("doubled", "tokens", 0, .lower)
    case .outOfOrder: ("out of order", "tokens", 0, .lower)
    }
  }
}

/// One figure of a run.
struct Figure: Equatable {
  let quantity: Quantity
  let value: Double

  init(_ quantity: Quantity, _ value: Double) {
    self.quantity = quantity
    self.value = value
  }

  /// Nil where there is no value, or none that is a number, as of 0 ÷ 0.
  init?(_ quantity: Quantity, _ value: Double?) {
    guard let value, value.isFinite else { return nil }
    self.init(quantity, value)
  }
}

extension Figure {
  /// For each quantity the median of those that have it. Of an even number the lower of the two in the middle: one that was
  /// really measured.
  static func medians(_ measurements: [[Figure]]) -> [Figure] {
    let all = measurements.flatMap(\.self)
    return Quantity.allCases.compactMap { quantity in
      let values = all.filter { $0.quantity == quantity }.map(\.value).sorted()
      return values.isEmpty ? nil : Figure(quantity, values[(values.count - 1) / 2])
    }
  }
}

extension Figure: Codable {
  private enum Key: CodingKey { case name, value, unit }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    quantity = try values.decode(Quantity.self, forKey: .name)
    value = try values.decode(Double.self, forKey: .value)
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(quantity, forKey: .name)
    try values.encode(value, forKey: .value)
    try values.encode(quantity.unit, forKey: .unit)
  }
}
