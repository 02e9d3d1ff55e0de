import Streaming

/// What Redis is to be told once it is back: bounded, whatever ends while it is away.
struct UnsentReleases {
  /// Leases beyond that many expire by themselves.
  private static let leaseBound = 10_000
  /// As many as there are keys, for each day.
  private static let tokenBound = 100_000

  private static let batch = 1000

  private struct Day: Hashable {
    let key: String
    let wall: Int
  }

  private var leases: [(lease: String, claims: Claims)] = []
  private var tokens: [Day: Int] = [:]

  mutating func add(_ lease: String, _ claims: Claims, tokens count: Int, wall: Int) {
    if leases.count < Self.leaseBound { leases.append((lease, claims)) }
    guard count > 0, let key = claims.key, claims.keyQuota.tokensPerDay > 0 else { return }
    let day = Day(key: key, wall: DayTokens.day(of: wall) * 86_400)
    if tokens.count < Self.tokenBound || tokens[day] != nil { tokens[day, default: 0] += count }
  }

  var isEmpty: Bool { leases.isEmpty && tokens.isEmpty }

  /// The commands that tell it, of some at a time: all at once could be more than a connection takes.
  mutating func take(prefix: String) -> [[String]] {
    let released = leases.suffix(Self.batch)
    leases.removeLast(released.count)
    let added = Array(tokens.prefix(Self.batch))
    for (day, _) in added { tokens[day] = nil }
    return released.flatMap { LedgerScript.release($0.lease, $0.claims, prefix: prefix) }
      + added.flatMap { LedgerScript.add(tokens: $0.value, toKey: $0.key.key, prefix: prefix, wall: $0.key.wall) }
  }
}
