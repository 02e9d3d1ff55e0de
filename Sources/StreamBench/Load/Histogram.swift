/// Durations, counted in buckets that grow with them: a hundred million tokens take no more memory than ten.
///
/// A bucket is at most 1/128 of its value wide, so a percentile is right to 0.8 %.
struct Histogram {
  private static let fineBits = 7
  private static let fine = 1 << fineBits
  /// 18 minutes; what is longer counts as this.
  private static let longest: Int64 = 1 << 40 - 1

  private var counts = [Int](repeating: 0, count: index(of: longest) + 1)
  private(set) var count = 0
  /// The longest, exactly.
  private(set) var maximum = Duration.zero

  mutating func record(_ nanoseconds: Int64) {
    let value = min(max(nanoseconds, 0), Self.longest)
    counts[Self.index(of: value)] += 1
    count += 1
    if value > maximum.nanoseconds { maximum = .nanoseconds(value) }
  }

  /// What so many percent do not exceed; nil: nothing was recorded.
  func percentile(_ percent: Double) -> Duration? {
    guard count > 0 else { return nil }
    let rank = max(1, Int((Double(count) * percent / 100).rounded(.up)))
    var seen = 0
    for (index, count) in counts.enumerated() where count > 0 {
      seen += count
      if seen >= rank { return min(Self.middle(of: index), maximum) }
    }
    return maximum
  }

  /// The share that is longer, from 0 to 1, to the precision of a bucket; nil: nothing was recorded.
  func share(above limit: Duration) -> Double? {
    guard count > 0 else { return nil }
    let bucket = Self.index(of: min(max(limit.nanoseconds, 0), Self.longest))
    return Double(counts[(bucket + 1)...].reduce(0, +)) / Double(count)
  }

  /// Exact below 256 ns; above, the seven bits behind the highest one count.
  private static func index(of value: Int64) -> Int {
    let highest = 63 - (value | 1).leadingZeroBitCount
    let shift = max(0, highest - fineBits)
    return shift << fineBits + Int(value >> Int64(shift))
  }

  private static func middle(of index: Int) -> Duration {
    let shift = max(0, index >> fineBits - 1)
    let low = Int64(index - shift << fineBits) << Int64(shift)
    return .nanoseconds(low + (Int64(1) << Int64(shift)) / 2)
  }
}
