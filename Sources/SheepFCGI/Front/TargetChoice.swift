import Streaming

/// Who of a plan's targets an exchange asks next, and with which key; tells the log why. Bound to its worker's thread.
struct TargetChoice {
  enum Next {
    /// Another attempt, on the target that is `current` from here on.
    case attempt(after: Duration)
    /// No attempt is left.
    case tell(Failure, of: Lifecycle.Speaker)
  }

  /// What the client would be told. A class, as most exchanges have none.
  private final class Told {
    let failure: Failure
    let speaker: Lifecycle.Speaker

    init(_ failure: Failure, of speaker: Lifecycle.Speaker) {
      self.failure = failure
      self.speaker = speaker
    }
  }

  /// Which of the provider's keys the attempt uses.
  private(set) var key: Int?
  /// Attempts that called a provider.
  private(set) var callCount = 0

  private let targets: [Target]
  private unowned let worker: Worker
  private var attempts: Attempts
  private var told: Told?

  /// - Parameter isProvisional: another choice will take this one's place before anybody is asked. Who is admitted by a
  ///   breaker is expected to ask.
  init(of targets: [Target], on worker: Worker, isProvisional: Bool = false) {
    self.targets = targets
    self.worker = worker
    let now = worker.now
    attempts = Attempts(worker.settings.retry.policy, models: targets.count) {
      isProvisional || targets[$0].endpoint.standing.admit(at: now)
    }
  }

  /// Its place among the targets.
  var place: Int { attempts.current }
  var current: Target { targets[place] }

  /// The current target is called.
  mutating func takeKey() -> Int? {
    key = current.endpoint.standing.takeKey(at: worker.now)
    callCount += 1
    return key
  }

  /// The current target cannot carry what is asked.
  mutating func refused(_ failure: Failure, for requestID: String) -> Next {
    key = nil
    return follow(failure, .refused, hasFreshKey: false, for: requestID)
  }

  /// The call has failed before any output.
  mutating func failed(_ failure: Failure, _ verdict: Verdict, for requestID: String) -> Next {
    guard !verdict.showsLife else {
      noteLife()
      return follow(failure, verdict, hasFreshKey: false, for: requestID)
    }
    let endpoint = current.endpoint
    let (hasFreshKey, isLeftOut) = endpoint.standing.failed(verdict, key: key, at: worker.now)
    if isLeftOut, targets.count > 1 {
      let what = "\(endpoint.provider.name) is left out for \(Breaker.openTime)"
      worker.log.warning("\(what): \(Breaker.threshold) attempts have failed in a row")
    }
    return follow(failure, verdict, hasFreshKey: hasFreshKey, for: requestID)
  }

  /// The current target has answered, be it with a refusal.
  func noteLife() {
    guard current.endpoint.standing.succeeded(), targets.count > 1 else { return }
    worker.log.notice("\(current.endpoint.provider.name) answers again and is no longer left out")
  }

  private mutating func follow(
    _ failure: Failure, _ verdict: Verdict, hasFreshKey: Bool, for requestID: String
  ) -> Next {
    let told = failureToTell(failure)
    self.told = told
    let ofKey = current.endpoint.standing.keys.count > 1 ? key.map { " with key \($0 + 1)" } ?? "" : ""
    let cause = failure.cause.map { " (\($0))" } ?? ""
    let failed = "\(current.name)\(ofKey) failed with \(failure.kind.rawValue)\(cause)"
    let (targets, now) = (targets, worker.now)
    let next = attempts.next(after: verdict, hasFreshKey: hasFreshKey, jitter: .random(in: 0..<1)) {
      targets[$0].endpoint.standing.admit(at: now)
    }
    switch next {
    case .giveUp:
      if callCount > 1 { worker.log.notice("\(failed); no attempt is left for request \(requestID)") }
      return .tell(told.failure, of: told.speaker)
    case .attempt(let wait):
      let then = "asking \(current.name) in \(wait.nanoseconds / 1_000_000) ms"
      worker.log.notice("\(failed); \(then), attempt \(callCount + 1) of request \(requestID)")
      return .attempt(after: wait)
    }
  }

  /// What a fallback refuses must not make a passing failure of the model that was asked for look final.
  private func failureToTell(_ failure: Failure) -> Told {
    if let told, !failure.isRetryable, told.failure.isRetryable || place > 0 { return told }
    return Told(failure, of: current.speaker)
  }
}

extension Settings.Retry {
  fileprivate var policy: Attempts.Policy { Attempts.Policy(attempts: attempts, backoff: backoff, maxWait: maxWait) }
}
