import Streaming

/// What was counted: by one worker, or by all of them together. Counters only grow.
struct Figures: Sendable {
  struct Request: Hashable {
    var route: Route
    /// As the client saw it; 0: it left before there was one.
    var status: Int
  }

  var requests: [Request: Int] = [:]
  /// Requests that a client's or a key's limit has refused.
  var refusals: [Limit: Int] = [:]
  /// By `provider/model`.
  var models: [String: ModelFigures] = [:]
  /// Failed attempts, by provider and type.
  var providerErrors: [String: [Failure.Kind: Int]] = [:]

  static func += (sum: inout Figures, other: Figures) {
    sum.requests.merge(other.requests, uniquingKeysWith: +)
    sum.refusals.merge(other.refusals, uniquingKeysWith: +)
    for (name, model) in other.models { sum.models[name, default: ModelFigures()] += model }
    for (name, errors) in other.providerErrors {
      sum.providerErrors[name, default: [:]].merge(errors, uniquingKeysWith: +)
    }
  }
}

/// What was counted of one model's streams.
struct ModelFigures: Sendable {
  /// From a request's arrival, all attempts together.
  var firstToken = LatencyHistogram(
    milliseconds: [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000])
  /// Between two tokens as they came from the provider.
  var tokenGap = LatencyHistogram(milliseconds: [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000])
  /// Of streams that have ended, however.
  var duration = LatencyHistogram(
    milliseconds: [100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000])
  /// That the web server took.
  var sentBytes = 0
  /// Of the provider's bodies.
  var receivedBytes = 0
  var promptTokens = 0
  var completionTokens = 0
  /// US dollars.
  var cost = 0.0
  /// Further attempts on this model.
  var retries = 0
  /// Times that another model was asked in place of this one.
  var fallbacks = 0
  /// Nanoseconds in which nothing waited for the client.
  var waitedForProvider: Int64 = 0
  /// Nanoseconds in which bytes waited because the client took no more.
  var waitedForClient: Int64 = 0
  /// By `Lifecycle.Outcome.name`.
  var endings: [String: Int] = [:]

  /// Pieces of visible text. Each was either its stream's first, or came after a gap.
  var tokens: Int { firstToken.count + tokenGap.count }
  /// Streams that have ended.
  var streams: Int { endings.values.reduce(0, +) }

  /// A stream has got its first tokens.
  /// - Parameters:
  ///   - count: all of them that came together, at least one.
  ///   - wait: nanoseconds from the request's arrival.
  mutating func recordFirstTokens(_ count: Int, after wait: Int64) {
    firstToken.record(wait)
    if count > 1 { tokenGap.recordZeros(count - 1) }
  }

  /// A stream has got more of them.
  /// - Parameter gap: nanoseconds since the last.
  @inline(__always)
  mutating func recordTokens(_ count: Int, after gap: Int64) {
    tokenGap.record(gap)
    if count > 1 { tokenGap.recordZeros(count - 1) }
  }

  static func += (sum: inout ModelFigures, other: ModelFigures) {
    sum.firstToken += other.firstToken
    sum.tokenGap += other.tokenGap
    sum.duration += other.duration
    sum.sentBytes += other.sentBytes
    sum.receivedBytes += other.receivedBytes
    sum.promptTokens += other.promptTokens
    sum.completionTokens += other.completionTokens
    sum.cost += other.cost
    sum.retries += other.retries
    sum.fallbacks += other.fallbacks
    sum.waitedForProvider += other.waitedForProvider
    sum.waitedForClient += other.waitedForClient
    sum.endings.merge(other.endings, uniquingKeysWith: +)
  }
}

/// What requests are told apart by. A path that nobody serves is `other`: anyone can make up as many as they like.
enum Route: String, CaseIterable, Sendable {
  case stream = "/stream"
  case streamBackpressure = "/stream-backpressure"
  case chatCompletions = "/v1/chat/completions"
  case models = "/v1/models"
  case ping = "/ping"
  case status = "/status"
  case metrics = "/metrics"
  case other

  init(path: String) {
    self = Route(rawValue: path) ?? (path.hasPrefix("/v1/models/") ? .models : .other)
  }
}
