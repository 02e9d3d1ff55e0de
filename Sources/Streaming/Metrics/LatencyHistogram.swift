/// How often something took how long, by a dozen bounds and what lies beyond. Of fixed size, and no more than a short scan
/// for each duration: it is asked for every token.
public struct LatencyHistogram: Sendable {
  public typealias Bounds = InlineArray<12, Int64>

  /// Upper bounds in nanoseconds, in ascending order; a duration that equals one belongs to it.
  public let bounds: Bounds
  /// Durations between the bounds; the last, beyond them.
  private var counts = InlineArray<13, Int>(repeating: 0)
  /// Nanoseconds.
  public private(set) var sum: Int64 = 0

  public init(_ bounds: Bounds) {
    self.bounds = bounds
  }

  /// - Parameter milliseconds: the bounds, in ascending order.
  public init(milliseconds bounds: InlineArray<12, Double>) {
    self.init(Bounds { Int64(bounds[$0] * 1_000_000) })
  }

  /// - Parameter nanoseconds: not negative.
  @inline(__always)
  public mutating func record(_ nanoseconds: Int64) {
    var place = 0
    while place < 12, nanoseconds > bounds[place] { place += 1 }
    counts[place] += 1
    sum &+= nanoseconds
  }

  /// So many that took no time at all.
  @inline(__always)
  public mutating func recordZeros(_ count: Int) {
    counts[0] += count
  }

  /// All that were recorded.
  public var count: Int { counts.indices.reduce(0) { $0 + counts[$1] } }

  /// Of each bound the durations up to it, as the exposition formats want them.
  public var cumulative: [(bound: Int64, count: Int)] {
    var count = 0
    return bounds.indices.map {
      count += counts[$0]
      return (bounds[$0], count)
    }
  }

  /// Seconds that a share of them did not exceed, as far as the bounds tell: even between two of them, and the last one for
  /// all beyond it. Nil: nothing was recorded.
  public func quantile(_ share: Double) -> Double? {
    let wanted = share * Double(count)
    guard count > 0 else { return nil }
    var (below, lower) = (0.0, 0.0)
    for place in bounds.indices {
      let (here, upper) = (Double(counts[place]), Double(bounds[place]) / 1e9)
      if here > 0, below + here >= wanted { return lower + (upper - lower) * (wanted - below) / here }
      (below, lower) = (below + here, upper)
    }
    return lower
  }

  /// Both must have the same bounds.
  public static func += (sum: inout LatencyHistogram, other: LatencyHistogram) {
    for place in sum.counts.indices { sum.counts[place] += other.counts[place] }
    sum.sum &+= other.sum
  }
}
