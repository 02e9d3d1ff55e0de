/// Who has how much of what is limited, as one process knows it. One for all its workers.
///
/// A request is admitted by all its limits or by none: what one of them refuses costs nothing of another.
public struct Ledger: Sendable {
  /// Clients that are known at a time, but for those with running streams; less than 20 MB.
  public static let clientBound = 100_000

  private var clients: ClientTable
  /// By name. As many as the keys file ever had: an attacker with many addresses must not make them be forgotten.
  private var keys: [String: QuotaAccount] = [:]

  public init(clientBound: Int = Ledger.clientBound) {
    clients = ClientTable(bound: clientBound)
  }

  /// Clients that are known.
  public var clientCount: Int { clients.count }

  /// Counts one more request with its stream, or says what stands in its way: of several limits the one that does so
  /// longest.
  /// - Parameter wall: seconds since 1970.
  public mutating func admit(_ claims: Claims, at now: Instant, wall: Int) -> Refusal? {
    if let refusal = refusal(claims, at: now, wall: wall) { return refusal }
    change(claims, at: now, wall: wall) { $0.begin($1, at: now) }
    return nil
  }

  /// A stream that was admitted has ended.
  /// - Parameter tokens: what it has used.
  public mutating func end(_ claims: Claims, tokens: Int, at now: Instant, wall: Int) {
    change(claims, at: now, wall: wall) { account, _ in account.end(tokens: tokens, at: wall) }
  }

  /// What was admitted here was refused by somebody who knows more.
  public mutating func takeBack(_ claims: Claims, at now: Instant, wall: Int) {
    change(claims, at: now, wall: wall) { $0.takeBack($1) }
  }

  private func refusal(_ claims: Claims, at now: Instant, wall: Int) -> Refusal? {
    var found: [Refusal] = []
    if let client = claims.client {
      let (streams, requests, _) = clients[client].obstacles(claims.clientQuota, at: now, wall: wall)
      if let streams { found.append(Refusal(.clientStreams, wait: streams)) }
      if let requests { found.append(Refusal(.clientRequests, wait: requests)) }
    }
    if let key = claims.key, let account = keys[key] {
      let (streams, requests, tokens) = account.obstacles(claims.keyQuota, at: now, wall: wall)
      if let streams { found.append(Refusal(.keyStreams, wait: streams)) }
      if let requests { found.append(Refusal(.keyRequests, wait: requests)) }
      if let tokens { found.append(Refusal(.keyTokens, wait: tokens)) }
    }
    return found.max { $0.wait < $1.wait }
  }

  private mutating func change(
    _ claims: Claims, at now: Instant, wall: Int, _ body: (inout QuotaAccount, Quota) -> Void
  ) {
    if let client = claims.client { clients.change(client, at: now, wall: wall) { body(&$0, claims.clientQuota) } }
    if let key = claims.key { body(&keys[key, default: QuotaAccount()], claims.keyQuota) }
  }
}
