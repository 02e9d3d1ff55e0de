import Streaming
import Testing

struct LatencyHistogramTests {
  private static let millisecond: Int64 = 1_000_000

  private func histogram(of milliseconds: [Double] = []) -> LatencyHistogram {
    var histogram = LatencyHistogram(milliseconds: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30])
    for each in milliseconds { histogram.record(Int64(each * 1_000_000)) }
    return histogram
  }

  @Test func `a duration that equals a bound belongs to it, and one beyond it to the next`() {
    let cumulative = histogram(of: [1, 1.00001, 2]).cumulative
    #expect(cumulative[0].bound == Self.millisecond && cumulative[0].count == 1)
    #expect(cumulative[1].count == 3 && cumulative[11].count == 3)
  }

  @Test func `what lies beyond all bounds is counted, but in none of them`() {
    let histogram = histogram(of: [30, 31, 10_000])
    #expect(histogram.cumulative[11].count == 1 && histogram.count == 3)
  }

  @Test func `the sum is that of the durations`() {
    #expect(histogram(of: [1, 2.5, 40]).sum == 43_500_000)
  }

  @Test func `tokens that came together are gaps of no time`() {
    var histogram = histogram(of: [5])
    histogram.recordZeros(7)
    #expect(histogram.count == 8 && histogram.cumulative[0].count == 7 && histogram.sum == 5 * Self.millisecond)
  }

  @Test func `two add up as if all had been recorded in one`() {
    var sum = histogram(of: [1, 7, 25])
    sum += histogram(of: [2, 7, 99])
    let whole = histogram(of: [1, 7, 25, 2, 7, 99])
    #expect(sum.cumulative.map(\.count) == whole.cumulative.map(\.count))
    #expect(sum.count == whole.count && sum.sum == whole.sum)
  }

  @Test func `of nothing there is no quantile`() {
    #expect(histogram().quantile(0.5) == nil)
  }

  @Test func `a quantile lies between the bounds that hold it`() throws {
    let histogram = histogram(of: [Double](repeating: 1.5, count: 90) + [Double](repeating: 15, count: 10))
    let (median, high) = (try #require(histogram.quantile(0.5)), try #require(histogram.quantile(0.95)))
    #expect((0.001...0.002).contains(median) && (0.010...0.020).contains(high))
  }

  @Test func `a quantile beyond all bounds is the last of them`() {
    #expect(histogram(of: [1, 99, 99, 99]).quantile(0.95) == 0.03)
  }
}
