import Streaming

/// One request's place in the ledgers: taken with the request, given back when its stream has ended, or with the last
/// reference to it, whatever became of the request. Bound to its worker's thread.
final class Admission {
  private let claims: Claims
  private unowned let worker: Worker
  /// Where it is counted together with others; nil: here alone.
  private let redis: RedisClient?
  /// The stream's name in Redis.
  private let lease: String
  /// What Redis calls our question, as long as it has not answered.
  private var question: Int?
  private var isAsked = false
  private var hasEnded = false

  /// - Throws: where a limit stands in the way. What this process alone has admitted is reason enough: together with
  ///   others it can only be more.
  init(_ claims: Claims, on worker: Worker) throws(Failure) {
    if let refusal = worker.ledger.admit(claims, at: worker.now) { throw refusal.failure(claims) }
    self.claims = claims
    self.worker = worker
    redis = worker.redis
    lease = redis == nil ? "" : Self.makeLease()
  }

  deinit {
    end(tokens: 0)
  }

  private static func makeLease() -> String {
    String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
  }

  /// Whether somebody else is to be asked yet.
  var isProvisional: Bool { redis != nil }

  /// Asks Redis. `answer` is called once, perhaps before this returns, but not after `end`.
  func confirm(_ answer: @escaping (Failure?) -> Void) {
    guard let redis else { return answer(nil) }
    isAsked = true
    question = redis.ask(claims, lease: lease) { [unowned self] verdict in
      question = nil
      switch verdict {
      case .admitted?: answer(nil)
      case .refused(let refusal)?:
        hasEnded = true
        worker.ledger.takeBack(claims, at: worker.now)
        answer(refusal.failure(claims))
      case nil where redis.settings.whenAway == .open: answer(nil)
      case nil:
        answer(
          Failure(.overloaded, "what keeps count of the limits does not answer; ask again", retryAfter: 1))
      }
    }
  }

  /// - Parameter tokens: what the stream has used.
  func end(tokens: Int) {
    guard !hasEnded else { return }
    hasEnded = true
    worker.ledger.end(claims, tokens: tokens, at: worker.now)
    guard let redis, isAsked else { return }
    if let question { redis.forget(question) }
    redis.release(lease, claims, tokens: tokens)
  }
}
