/// How many requests a minute somebody makes, by the generic cell rate algorithm (ITU-T I.371, annex A): one moment for
/// each of them, and no list of past requests. A whole minute's allowance may be used at once; then it comes back evenly.
public struct RequestRate: Equatable, Sendable {
  private static let minute: Int64 = 60_000_000_000

  /// When the allowance is whole again.
  private var wholeAt = Instant.past

  public init() {}

  public func isWhole(at now: Instant) -> Bool { wholeAt <= now }

  /// How long another request must wait; zero: it may come now.
  public func wait(_ perMinute: Int, at now: Instant) -> Duration {
    let earliest = wholeAt.nanoseconds - (Self.minute - Self.interval(perMinute))
    return .nanoseconds(max(0, earliest - now.nanoseconds))
  }

  public mutating func take(_ perMinute: Int, at now: Instant) {
    wholeAt = max(wholeAt, now) + .nanoseconds(Self.interval(perMinute))
  }

  /// What was taken last was not used.
  public mutating func giveBack(_ perMinute: Int) {
    wholeAt = Instant(nanoseconds: wholeAt.nanoseconds - Self.interval(perMinute))
  }

  private static func interval(_ perMinute: Int) -> Int64 { minute / Int64(perMinute) }
}
