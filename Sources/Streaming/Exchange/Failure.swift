/// Why a request gets no answer, or not the whole of one, as the client is told.
public struct Failure: Error, Equatable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    case badRequest = "bad_request"
    case unauthorized
    case overloaded
    case rateLimited = "rate_limited"
    case upstreamUnreachable = "upstream_unreachable"
    case upstreamRejected = "upstream_rejected"
    case upstreamFailed = "upstream_failed"
    case upstreamTruncated = "upstream_truncated"
    case upstreamMalformed = "upstream_malformed"
    case timeoutFirstToken = "timeout_first_token"
    case timeoutIdle = "timeout_idle"
    case timeoutTotal = "timeout_total"
    case shuttingDown = "shutting_down"

    /// The HTTP status where nothing more exact is known.
    var status: Int {
      switch self {
      case .badRequest: 400
      case .unauthorized: 401
      case .rateLimited: 429
      case .overloaded, .shuttingDown: 503
      case .timeoutFirstToken, .timeoutIdle, .timeoutTotal: 504
      default: 502
      }
    }

    /// Whether the same request may succeed later.
    var isRetryable: Bool {
      switch self {
      case .badRequest, .unauthorized, .upstreamRejected: false
      default: true
      }
    }
  }

  public var kind: Kind
  /// The HTTP status, which the event carries too when the status line is gone.
  public var status: Int
  /// What failed, on what, and what to do. Never a key, a prompt or a reply.
  public var message: String
  public var isRetryable: Bool
  /// Whole seconds until another try makes sense.
  public var retryAfter: Int?
  /// What the operator is told beyond the kind, in our own words alone: never the provider's.
  public var cause: String?
  /// The methods that the path allows, for a 405.
  public var allow: String?
  /// Which of the site's own limits it was.
  public var limit: Limit?

  public init(_ kind: Kind, status: Int? = nil, _ message: String, retryAfter: Int? = nil, allow: String? = nil) {
    self.kind = kind
    self.status = status ?? kind.status
    self.message = message
    self.isRetryable = kind.isRetryable
    self.retryAfter = retryAfter
    self.allow = allow
  }

  /// What a provider's failure means to our client.
  /// - Parameters:
  ///   - provider: its name in the configuration.
  ///   - secrets: blacked out, should the provider quote them.
  public init(_ failure: ProviderFailure, of provider: String, secrets: [String]) {
    let said = failure.message.isEmpty ? "" : ": " + Self.blackOut(secrets, in: failure.message)
    switch failure.status {
    case 401?, 402?, 403?:
      // Its message may tell whose key and which account; that is the operator's business alone.
      self.init(.upstreamRejected, "\(provider) refused the site's key or account; its operator must look at it")
    case 400?, 404?, 413?, 422?:
      self.init(.badRequest, status: 400, "\(provider) refused the request\(said)")
    case 429?:
      self.init(.rateLimited, "\(provider) limits the rate\(said)")
      isRetryable = !failure.isQuota
    case 503?, 529?:
      self.init(.overloaded, "\(provider) is overloaded\(said)")
    case let status?:
      self.init(.upstreamFailed, "\(provider) failed with status \(status)\(said)")
    case nil:
      self.init(.upstreamFailed, "\(provider) failed\(said)")
    }
    cause = failure.status.map { "status \($0)" }
    retryAfter = failure.retryAfter.map { Int($0.rounded(.up).clamped(to: 0...31_536_000)) }
  }

  /// The longest message of a provider that is passed on, in characters.
  private static let messageBound = 2000

  private static func blackOut(_ secrets: [String], in message: String) -> String {
    var text = message
    if message.utf8.count > 65536 {
      // What is cut off in the end need not be searched; half a key at this border goes with it.
      text = String(message.prefix(16384).dropLast(secrets.map(\.count).max() ?? 0))
    }
    // The longest first, as a key may be a part of another.
    for secret in secrets.sorted(by: { $0.utf8.count > $1.utf8.count }) where !secret.isEmpty {
      text = text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "[key]")
    }
    return text.count > messageBound ? text.prefix(messageBound) + "…" : text
  }
}

extension Double {
  fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
    isNaN ? range.lowerBound : min(max(self, range.lowerBound), range.upperBound)
  }
}
