/// Leaves a provider out for a while that has failed several times in a row (a circuit breaker).
///
/// While it is open, the provider is passed over where another can be asked instead. When its time is over one attempt
/// goes through, and decides: a success closes it, anything else leaves the provider out for as long again.
public struct Breaker: Equatable, Sendable {
  /// Attempts that must fail in a row.
  public static let threshold = 5
  /// For how long it is then open.
  public static let openTime = Duration.seconds(30)

  private var failures = 0
  private var openUntil: Instant?

  public init() {}

  /// Whether an attempt may go through. When the time is over, who is told so first is the one that goes.
  public mutating func admit(at now: Instant) -> Bool {
    guard let until = openUntil else { return true }
    guard until <= now else { return false }
    openUntil = now + Self.openTime
    return true
  }

  /// Whether the provider is being left out. Once its time is over, it is asked again.
  public func isOpen(at now: Instant) -> Bool { openUntil.map { now < $0 } ?? false }

  /// The provider answered.
  /// - Returns: whether it was left out until now.
  @discardableResult
  public mutating func succeeded() -> Bool {
    defer { (failures, openUntil) = (0, nil) }
    return openUntil != nil
  }

  /// An attempt failed, and not through the request's fault.
  /// - Returns: whether it has just opened.
  @discardableResult
  public mutating func failed(at now: Instant) -> Bool {
    failures += 1
    guard failures >= Self.threshold else { return false }
    openUntil = now + Self.openTime
    return failures == Self.threshold
  }
}
