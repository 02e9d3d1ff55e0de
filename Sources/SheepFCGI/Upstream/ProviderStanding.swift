import Streaming
import Synchronization

/// What the workers of a process know together of one provider: whether it is left out, and which of its keys rest.
/// Any thread; one short lock at most for an attempt, and none while all goes well with a single key.
final class ProviderStanding: Sendable {
  private struct State: Sendable {
    var breaker = Breaker()
    var keys: KeyRing
  }

  /// Those of the provider, in its order.
  let keys: [String]
  private let state: Guarded<State>
  /// Whether the breaker has counted a failure since the last success.
  private let isTroubled = Atomic<Bool>(false)

  init(keys: [String]) {
    self.keys = keys
    state = Guarded(State(keys: KeyRing(count: keys.count)))
  }

  /// Whether to ask it, where another provider could be asked instead. Who is told so is expected to.
  func admit(at now: Instant) -> Bool {
    !isTroubled.load(ordering: .relaxed) || state.withLock { $0.breaker.admit(at: now) }
  }

  /// Whether it is being left out.
  func isLeftOut(at now: Instant) -> Bool {
    isTroubled.load(ordering: .relaxed) && state.withLock { $0.breaker.isOpen(at: now) }
  }

  /// The key for an attempt, counted from 0; nil: none is sent.
  func takeKey(at now: Instant) -> Int? {
    keys.count < 2 ? keys.indices.first : state.withLock { $0.keys.take(at: now) }
  }

  /// The provider answers.
  /// - Returns: whether it was left out until now.
  func succeeded() -> Bool {
    guard isTroubled.load(ordering: .relaxed) else { return false }
    return state.withLock { state in
      isTroubled.store(false, ordering: .relaxed)
      return state.breaker.succeeded()
    }
  }

  /// An attempt failed, and the provider is to blame.
  /// - Returns: whether there is a key that does not rest, and whether the provider has just come to be left out.
  func failed(_ verdict: Verdict, key: Int?, at now: Instant) -> (hasFreshKey: Bool, isLeftOut: Bool) {
    state.withLock { state in
      if let key { state.keys.note(verdict, of: key, at: now) }
      let hasFresh = state.keys.hasFresh(at: now)
      // As long as another key may have room, a key's limit is not the provider's.
      guard verdict.isOfProvider || !hasFresh else { return (hasFresh, false) }
      isTroubled.store(true, ordering: .relaxed)
      return (hasFresh, state.breaker.failed(at: now))
    }
  }
}

/// The standings of all providers of a process, by name. A reload of the settings keeps those whose keys are the same.
final class ProviderStandings: Sendable {
  private let standings = Guarded<[String: ProviderStanding]>([:])

  /// Any thread; once for each worker and reading of the settings.
  func standing(of provider: Settings.Provider) -> ProviderStanding {
    standings.withLock { standings in
      if let known = standings[provider.name], known.keys == provider.apiKeys { return known }
      let standing = ProviderStanding(keys: provider.apiKeys)
      standings[provider.name] = standing
      return standing
    }
  }
}
