/// Which attempt follows one that failed before any output: the same model again, the next of the fallback models, or
/// none. One of these for each generation.
///
/// The models come in the order in which they are to be tried; each has the policy's number of attempts to itself. A
/// provider that is left out (`Breaker`) is passed over as long as there is another one; retries are not its affair.
public struct Attempts: Sendable {
  /// How often and how soon.
  public struct Policy: Sendable {
    /// Tries of one model in all; 1: never again.
    public var attempts: Int
    /// Before the second try; doubled for each further one. Zero: at once.
    public var backoff: Duration
    /// The longest wait for one more try. A provider that wishes for a longer one is not asked again.
    public var maxWait: Duration

    public init(attempts: Int, backoff: Duration, maxWait: Duration) {
      self.attempts = attempts
      self.backoff = backoff
      self.maxWait = maxWait
    }
  }

  public enum Next: Equatable, Sendable {
    /// Another attempt, on the model that is `current` from here on.
    case attempt(after: Duration)
    case giveUp
  }

  /// The model that is being tried, counted from 0.
  public private(set) var current = 0
  /// Attempts so far, of all models.
  public private(set) var count = 1

  private let policy: Policy
  private let models: Int
  private var triesOfCurrent = 1

  /// - Parameters:
  ///   - models: how many there are to try, at least one.
  ///   - admit: whether the provider of a model may be asked (`Breaker`).
  public init(_ policy: Policy, models: Int, admit: (Int) -> Bool) {
    self.policy = policy
    self.models = models
    current = (0..<models).first(where: admit) ?? 0
  }

  /// - Parameters:
  ///   - verdict: on the attempt that has just failed.
  ///   - hasFreshKey: whether the current provider has a key that neither failed just now nor rests.
  ///   - jitter: from 0 up to 1, by chance, so that those who failed together do not come back together.
  public mutating func next(
    after verdict: Verdict, hasFreshKey: Bool, jitter: Double, admit: (Int) -> Bool
  ) -> Next {
    guard verdict.blamesProvider else { return .giveUp }
    if triesOfCurrent < policy.attempts, let wait = wait(after: verdict, hasFreshKey: hasFreshKey, jitter: jitter) {
      triesOfCurrent += 1
      count += 1
      return .attempt(after: wait)
    }
    guard let next = (current + 1..<models).first(where: admit) else { return .giveUp }
    current = next
    triesOfCurrent = 1
    count += 1
    return .attempt(after: .zero)
  }

  /// How long to wait for another try of the same model; nil: there is no point in one.
  private func wait(after verdict: Verdict, hasFreshKey: Bool, jitter: Double) -> Duration? {
    switch verdict {
    case .final: return nil
    case .keyRefused: return hasFreshKey ? .zero : nil
    case .keyLimited where hasFreshKey: return .zero
    case .keyLimited(let wish?), .transient(let wish?): return wish <= policy.maxWait ? wish * (1 + jitter / 4) : nil
    case .keyLimited, .transient: return min(backoff(jitter), policy.maxWait)
    }
  }

  /// 1, 2, 4 … times the policy's, and up to a quarter more by chance.
  private func backoff(_ jitter: Double) -> Duration {
    policy.backoff * (Double(1 << min(triesOfCurrent - 1, 20)) * (1 + jitter / 4))
  }
}
