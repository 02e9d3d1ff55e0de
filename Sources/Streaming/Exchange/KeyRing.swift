/// A provider's keys, used in turn; one that was refused or limited rests.
public struct KeyRing: Equatable, Sendable {
  /// For how long a key rests that was refused. It may have been a slip of the provider's, so not for ever.
  public static let refusedRest = Duration.seconds(300)
  /// For how long one rests whose rate was used up, where the provider does not say.
  public static let limitedRest = Duration.seconds(30)
  /// The longest that a provider's wish is taken for.
  public static let longestRest = Duration.seconds(3600)

  private var restsUntil: [Instant]
  private var next = 0

  public init(count: Int) {
    restsUntil = Array(repeating: .past, count: count)
  }

  /// The key that is to be used now, counted from 0. Where all rest, the one whose rest ends first. Nil: there are
  /// none.
  public mutating func take(at now: Instant) -> Int? {
    guard !restsUntil.isEmpty else { return nil }
    let order = (0..<restsUntil.count).map { (next + $0) % restsUntil.count }
    let key = order.first { restsUntil[$0] <= now } ?? order.min { restsUntil[$0] < restsUntil[$1] } ?? 0
    next = (key + 1) % restsUntil.count
    return key
  }

  /// Whether `take` has one that does not rest.
  public func hasFresh(at now: Instant) -> Bool { restsUntil.contains { $0 <= now } }

  /// What became of an attempt with this key.
  public mutating func note(_ verdict: Verdict, of key: Int, at now: Instant) {
    guard restsUntil.indices.contains(key) else { return }
    switch verdict {
    case .keyRefused: restsUntil[key] = now + Self.refusedRest
    case .keyLimited(let wish): restsUntil[key] = now + min(wish ?? Self.limitedRest, Self.longestRest)
    case .transient, .refused, .final: break
    }
  }
}
