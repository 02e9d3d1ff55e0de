/// How much one client, or one client key, may have. Zero: no bound.
public struct Quota: Equatable, Sendable {
  /// Streams at the same time.
  public var streams: Int
  /// Requests for a stream; a minute's may come at once.
  public var requestsPerMinute: Int
  /// Prompt and completion tokens a day, in UTC.
  public var tokensPerDay: Int

  public init(streams: Int = 0, requestsPerMinute: Int = 0, tokensPerDay: Int = 0) {
    self.streams = streams
    self.requestsPerMinute = requestsPerMinute
    self.tokensPerDay = tokensPerDay
  }

  public var isUnbounded: Bool { streams == 0 && requestsPerMinute == 0 && tokensPerDay == 0 }
}

/// Under whose names one request is counted, and up to what.
public struct Claims: Equatable, Sendable {
  public var client: ClientID?
  public var clientQuota = Quota()
  /// The client key's name.
  public var key: String?
  public var keyQuota = Quota()

  /// Nil for what has no bound: it is not counted.
  public init(client: ClientID?, _ clientQuota: Quota, key: String?, _ keyQuota: Quota) {
    if let client, !clientQuota.isUnbounded { (self.client, self.clientQuota) = (client, clientQuota) }
    if let key, !keyQuota.isUnbounded { (self.key, self.keyQuota) = (key, keyQuota) }
  }

  public var isEmpty: Bool { client == nil && key == nil }
}

/// What can be used up, by the name that the client and the log are told.
public enum Limit: String, Sendable, CaseIterable {
  case clientStreams = "client_streams"
  case clientRequests = "client_requests"
  case keyStreams = "key_streams"
  case keyRequests = "key_requests"
  case keyTokens = "key_tokens"
}

/// A limit that stands in the way of a request.
public struct Refusal: Equatable, Sendable {
  public let limit: Limit
  /// Until the same request passes, if nothing else comes meanwhile.
  public let wait: Duration

  /// Nobody knows when a stream ends.
  public static let streamWait = Duration.seconds(1)

  public init(_ limit: Limit, wait: Duration) {
    self.limit = limit
    self.wait = wait
  }

  /// As the client is told.
  public func failure(_ claims: Claims) -> Failure {
    let what =
      switch limit {
      case .clientStreams: "you have \(claims.clientQuota.streams) running stream(s), and may not have more"
      case .clientRequests: "you make more than \(claims.clientQuota.requestsPerMinute) request(s) a minute"
      case .keyStreams: "your key has \(claims.keyQuota.streams) running stream(s), and may not have more"
      case .keyRequests: "your key makes more than \(claims.keyQuota.requestsPerMinute) request(s) a minute"
      case .keyTokens: "your key has used its \(claims.keyQuota.tokensPerDay) tokens of today"
      }
    let seconds = Int((max(wait.nanoseconds, 1) + 999_999_999) / 1_000_000_000)
    let remedy =
      switch limit {
      case .clientStreams, .keyStreams: "ask again when one has ended"
      case .clientRequests, .keyRequests: "ask again in \(seconds) s"
      case .keyTokens: "ask again after midnight UTC"
      }
    var failure = Failure(.rateLimited, "\(what); \(remedy)", retryAfter: seconds)
    failure.limit = limit
    return failure
  }
}
