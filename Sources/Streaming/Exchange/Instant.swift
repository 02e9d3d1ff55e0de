/// A moment of the monotonic clock, in nanoseconds. The library is told the time; it never asks.
public struct Instant: InstantProtocol, Sendable {
  public var nanoseconds: Int64

  public init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  /// Before any moment that the clock will show.
  public static var past: Instant { Instant(nanoseconds: 0) }

  public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

  public func advanced(by duration: Duration) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.nanoseconds)
    return Instant(nanoseconds: overflow ? (nanoseconds < 0 ? .min : .max) : sum)
  }

  public func duration(to other: Instant) -> Duration {
    .nanoseconds(other.nanoseconds - nanoseconds)
  }

  /// The earlier of two that there may be.
  public static func earlier(_ a: Instant?, _ b: Instant?) -> Instant? {
    guard let a, let b else { return a ?? b }
    return min(a, b)
  }

  public static func + (instant: Instant, duration: Duration) -> Instant { instant.advanced(by: duration) }

  /// Whole milliseconds until `other`.
  public func milliseconds(to other: Instant) -> Int {
    Int((other.nanoseconds - nanoseconds) / 1_000_000)
  }
}

extension Duration {
  /// Cut off below a nanosecond and beyond 292 years.
  public var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflowToo) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow || overflowToo ? (seconds < 0 ? .min : .max) : sum
  }
}
