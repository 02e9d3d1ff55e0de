/// The figures that say most, in the order of the summary: ratios first, as they hold on other machines too.
struct Headline {
  let title: String
  let phase: PhaseName
  let quantity: Quantity

  static let all = [
    Headline(title: "relay ÷ nginx", phase: .paced, quantity: .relayToNginx),
    Headline(title: "flood ÷ nginx alone", phase: .flood, quantity: .floodToAlone),
    Headline(title: "requests ÷ nginx alone", phase: .rps, quantity: .requestsToAlone),
    Headline(title: "relay CPU µs/token", phase: .paced, quantity: .relayCPU),
    Headline(title: "added TTFT µs", phase: .ttft, quantity: .ttftAddedMedian),
    Headline(title: "delay p99 µs", phase: .paced, quantity: .delay99),
    Headline(title: "flood tokens/s", phase: .flood, quantity: .flood),
    Headline(title: "requests/s", phase: .rps, quantity: .requests),
    Headline(title: "kB a stream", phase: .idle, quantity: .streamMemory),
    Headline(title: "slow readers MB", phase: .slow, quantity: .growth),
    Headline(title: "cancels seen ms", phase: .cancel, quantity: .cancelled),
    Headline(title: "listens after ms", phase: .startup, quantity: .listening),
    Headline(title: "resident MB", phase: .startup, quantity: .resident),
  ]
}

extension ContenderResult {
  /// Streams that failed and tokens that were lost, doubled or out of order, in all phases.
  var faults: Double {
    phases.flatMap(\.rows).flatMap(\.figures).filter(\.quantity.isFault).reduce(0) { $0 + $1.value }
  }
}

extension PhaseName {
  /// What is done, for the report.
  var explanation: String {
    switch self {
    case .startup:
      "From exec until the socket accepts connections, and until the first token has come through nginx. "
        + "Memory is that after this one answer."
    case .paced: "300 streams at a time, 50 tokens/s each: what a token costs, how evenly it comes, and how late."
    case .ttft: "One stream at a time: the time to its first token, and what the relay adds to nginx alone."
    case .rps: "32 streams at a time, 3 tokens each, a new connection each: streams begun and ended a second."
    case .flood:
      "16 streams at a time, 20,000 tokens each, as fast as the sockets take them. The provider writes up to 2 KiB of "
        + "tokens at a time."
    case .idle: "Open streams with a token a second: resident memory that each of them costs."
    case .slow: "20 clients that read 200 bytes/s, while the provider floods: memory must not grow."
    case .cancel: "All clients leave after 5 tokens: the time until the provider has seen it of every one."
    case .scale: "Streams with a token a second through one nginx and two workers. Late: by more than half a second."
    case .tls: "A provider behind TLS, which costs decryption, a handshake a connection, and buffers."
    }
  }
}
