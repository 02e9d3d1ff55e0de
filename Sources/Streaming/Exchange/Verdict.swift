/// What a failed attempt says about the next one, when nothing has been output yet.
public enum Verdict: Equatable, Sendable {
  /// The same request may succeed: on a connect failure, a timeout before the first token, 408, 429, 500, 502, 503, 504
  /// and 529. `wish` is how long the provider wants to be left alone, where it says so.
  case transient(wish: Duration?)
  /// This key's rate is used up; another key may have room. Else as `transient`.
  case keyLimited(wish: Duration?)
  /// This key is refused, or its account has no money: it would be again. Another key, or another provider, may do.
  case keyRefused
  /// The provider will not do this, be it for the key or for what was asked. Another provider may.
  case refused
  /// It would fail again, wherever it is asked.
  case final

  /// Of a failure that the provider has told.
  public init(_ failure: ProviderFailure) {
    let wish = failure.retryAfter.map { Duration.seconds(min(max($0, 0), 31_536_000)) }
    self =
      switch failure.status {
      case 401?, 402?: .keyRefused
      case 403?: .refused
      case 429? where failure.isQuota: .keyRefused
      case 429?: .keyLimited(wish: wish)
      case 408?, 500?, 502?, 503?, 504?, 529?: .transient(wish: wish)
      default: .final
      }
  }

  /// Whether it is the provider that has failed, with whatever key.
  public var isOfProvider: Bool { if case .transient = self { true } else { false } }

  /// Whether the provider works, and it was the request that it did not like.
  public var showsLife: Bool { self == .refused || self == .final }
}
