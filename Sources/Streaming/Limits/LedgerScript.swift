/// The ledger as Redis keeps it, for all processes and machines together.
///
/// One script decides all limits of a request at once and takes its stream: Redis runs it as if nobody else was there. A
/// running stream is a lease in a sorted set, which expires: a worker that was killed does not keep its streams for ever.
public enum LedgerScript {
  /// KEYS: for each of client and key its streams, requests, tokens. ARGV: the lease, for how many milliseconds it is,
  /// for how many the day lasts; then for each of client and key the three bounds.
  /// Returns which of them refuses (0: none; from 1, in the order of the bounds), and for how many microseconds.
  ///
  /// The clock is that of Redis, so that those of the machines need not agree.
  static let text = """
    local clock = redis.call('TIME')
    local now = clock[1] * 1000000 + clock[2]
    local refused, wait = 0, 0
    local function refuse(which, time)
      if time > wait then refused, wait = which, time end
    end
    local moments = {}
    for i = 1, #KEYS, 3 do
      local streams, requests, tokens = tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5])
      redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
      if streams > 0 and redis.call('ZCARD', KEYS[i]) >= streams then refuse(i, 1000000) end
      if requests > 0 then
        local whole, interval = tonumber(redis.call('GET', KEYS[i + 1]) or 0), math.floor(60000000 / requests)
        local earliest = whole - (60000000 - interval)
        if earliest > now then refuse(i + 1, earliest - now) end
        moments[i] = math.max(whole, now) + interval
      end
      if tokens > 0 and tonumber(redis.call('GET', KEYS[i + 2]) or 0) >= tokens then
        refuse(i + 2, ARGV[3] * 1000)
      end
    end
    if refused > 0 then return {refused, string.format('%.0f', wait)} end
    for i = 1, #KEYS, 3 do
      redis.call('ZADD', KEYS[i], now + ARGV[2] * 1000, ARGV[1])
      if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
      if moments[i] then
        redis.call('SET', KEYS[i + 1], string.format('%.0f', moments[i]), 'PX',
          math.floor((moments[i] - now) / 1000) + 1000)
      end
    end
    return {0, '0'}
    """

  /// The script's keys and arguments, behind its name.
  static func arguments(_ question: LedgerQuestion) -> [String] {
    let claims = question.claims
    var keys: [String] = []
    var bounds: [String] = []
    for (base, quota) in bases(claims, question.prefix) {
      keys += [streams(base), "\(base):requests", tokens(base, wall: question.wall)]
      bounds += [quota.streams, quota.requestsPerMinute, quota.tokensPerDay].map(String.init)
    }
    let day = DayTokens.rest(of: question.wall).nanoseconds / 1_000_000
    let lease = [question.lease, String(question.leaseTime.nanoseconds / 1_000_000), String(day)]
    return [String(keys.count)] + keys + lease + bounds
  }

  /// What the script's reply means; nil: it is none.
  static func verdict(_ reply: RESPValue, on claims: Claims) -> LedgerVerdict? {
    guard case .list(let parts) = reply, parts.count == 2, case .integer(let which) = parts[0],
      case .text(let text) = parts[1], let microseconds = Int64(text), microseconds >= 0
    else { return nil }
    if which == 0 { return .admitted }
    let ofClient: [Limit?] = claims.client == nil ? [] : [.clientStreams, .clientRequests, nil]
    let ofKey: [Limit?] = claims.key == nil ? [] : [.keyStreams, .keyRequests, .keyTokens]
    let limits = ofClient + ofKey
    guard limits.indices.contains(which - 1), let limit = limits[which - 1] else { return nil }
    return .refused(Refusal(limit, wait: .microseconds(min(microseconds, 86_400_000_000))))
  }

  /// The commands that give a lease back.
  public static func release(_ lease: String, _ claims: Claims, prefix: String) -> [[String]] {
    bases(claims, prefix).map { ["ZREM", streams($0.base), lease] }
  }

  /// The commands that add tokens to a key's day. The day's number outlives it by a day, whatever the clocks say.
  public static func add(tokens count: Int, toKey name: String, prefix: String, wall: Int) -> [[String]] {
    let place = tokens(keyBase(name, prefix), wall: wall)
    return [["INCRBY", place, String(count)], ["EXPIRE", place, "172800"]]
  }

  private static func bases(_ claims: Claims, _ prefix: String) -> [(base: String, quota: Quota)] {
    var bases: [(base: String, quota: Quota)] = []
    if let client = claims.client { bases.append(("\(prefix)client:\(client.name)", claims.clientQuota)) }
    if let key = claims.key { bases.append((keyBase(key, prefix), claims.keyQuota)) }
    return bases
  }

  private static func keyBase(_ name: String, _ prefix: String) -> String { "\(prefix)key:\(name)" }
  private static func streams(_ base: String) -> String { "\(base):streams" }
  private static func tokens(_ base: String, wall: Int) -> String { "\(base):tokens:\(DayTokens.day(of: wall))" }
}

/// Whether one request may be admitted.
public struct LedgerQuestion: Sendable {
  public let claims: Claims
  /// The stream's own name, of which there is no second one anywhere.
  public let lease: String
  /// After which it counts no more, should nobody give it back.
  public let leaseTime: Duration
  /// What every name in Redis begins with.
  public let prefix: String
  /// Seconds since 1970.
  public let wall: Int

  public init(_ claims: Claims, lease: String, leaseTime: Duration, prefix: String, wall: Int) {
    self.claims = claims
    self.lease = lease
    self.leaseTime = leaseTime
    self.prefix = prefix
    self.wall = wall
  }
}

public enum LedgerVerdict: Equatable, Sendable {
  case admitted
  case refused(Refusal)
}
