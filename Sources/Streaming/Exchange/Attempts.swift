/// Which attempt follows one that failed before any output: the same model again, the next of the fallback models, or
/// none. One of these for each generation.
///
/// The models come in the order in which they are to be tried, the first being the one that was asked for; each has the
/// policy's number of attempts to itself. One whose provider is left out (`Breaker`) comes after all others.
public struct Attempts: Sendable {
  /// How often and how soon.
  public struct Policy: Sendable {
    /// Tries of one model in all; 1: never again.
    public var attempts: Int
    /// Before the second try, or up to a quarter less by chance; doubled for each further one. Zero: at once.
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

  private let policy: Policy
  /// The models that are still to come, in their order.
  private var rest: [Int]
  private var triesOfCurrent = 1

  /// - Parameters:
  ///   - models: how many there are to try, at least one.
  ///   - admit: whether the provider of a model may be asked (`Breaker`).
  public init(_ policy: Policy, models: Int, admit: (Int) -> Bool) {
    self.policy = policy
    rest = Array(0..<models)
    turnToNext(admit)
  }

  /// - Parameters:
  ///   - verdict: on the attempt that has just failed.
  ///   - hasFreshKey: whether the current provider has a key that neither failed just now nor rests.
  ///   - jitter: from 0 up to 1, by chance, so that those who failed together do not come back together.
  public mutating func next(
    after verdict: Verdict, hasFreshKey: Bool, jitter: Double, admit: (Int) -> Bool
  ) -> Next {
    // Of one that only stands in it says nothing about the others.
    if verdict == .final, current == 0 { return .giveUp }
    // One that is left out by now has no further try as long as there is another.
    if triesOfCurrent < policy.attempts, rest.isEmpty || admit(current),
      let wait = wait(after: verdict, hasFreshKey: hasFreshKey, jitter: jitter)
    {
      triesOfCurrent += 1
      return .attempt(after: wait)
    }
    guard !rest.isEmpty else { return .giveUp }
    turnToNext(admit)
    return .attempt(after: .zero)
  }

  private mutating func turnToNext(_ admit: (Int) -> Bool) {
    current = rest.remove(at: rest.firstIndex(where: admit) ?? 0)
    // An open stream should hold no room for what it has not.
    if rest.isEmpty { rest = [] }
    triesOfCurrent = 1
  }

  /// How long to wait for another try of the same model; nil: there is no point in one.
  private func wait(after verdict: Verdict, hasFreshKey: Bool, jitter: Double) -> Duration? {
    switch verdict {
    case .final, .refused: return nil
    case .keyRefused: return hasFreshKey ? .zero : nil
    case .keyLimited where hasFreshKey: return .zero
    // "At once" and times that are past come from clocks and habits, and would not let anything pass.
    case .keyLimited(let wish?) where wish > .zero, .transient(let wish?) where wish > .zero:
      return wish <= policy.maxWait ? min(wish * (1 + jitter / 4), policy.maxWait) : nil
    case .keyLimited, .transient:
      return min(policy.backoff * (1 << min(triesOfCurrent - 1, 20)), policy.maxWait) * (1 - jitter / 4)
    }
  }
}
