import Streaming
import Testing

@testable import StreamBench

struct HistogramTests {
  private func histogram(of nanoseconds: some Sequence<Int64>) -> Histogram {
    var histogram = Histogram()
    for each in nanoseconds { histogram.record(each) }
    return histogram
  }

  @Test func `of nothing there is no percentile`() {
    let empty = Histogram()
    #expect(empty.percentile(50) == nil && empty.share(above: .zero) == nil && empty.maximum == .zero)
  }

  @Test func `small durations are exact`() {
    let histogram = histogram(of: 1...200)
    for percent in [0.5, 1, 50, 99, 100] {
      #expect(histogram.percentile(percent) == .nanoseconds(Int64(percent * 2)))
    }
  }

  @Test(arguments: [50, 90, 99, 99.9, 100])
  func `a percentile is right to less than a hundredth`(percent: Double) throws {
    let histogram = histogram(of: (1...100_000).map { $0 * 1_000 })
    let found = try #require(histogram.percentile(percent)).seconds
    let exact = percent / 100 * 0.1
    #expect(abs(found - exact) / exact < 0.008, "\(found) is not \(exact)")
  }

  @Test func `the order in which they came says nothing`() {
    let values = (0..<1000).map { Int64($0 * 7919 % 1000 * 1000) }
    #expect(histogram(of: values).percentile(99) == histogram(of: values.sorted()).percentile(99))
  }

  @Test func `one outlier is the maximum, and no percentile below it`() {
    let histogram = histogram(of: Array(repeating: 100, count: 999) + [5_000_000_000])
    #expect(histogram.percentile(99.9) == .nanoseconds(100))
    #expect(histogram.percentile(100) == .seconds(5) && histogram.maximum == .seconds(5))
  }

  @Test func `clocks that differ and days that pass stay within the buckets`() {
    let histogram = histogram(of: [-5, .max])
    #expect(histogram.percentile(1) == .zero)
    #expect(histogram.maximum.seconds > 1000)
  }

  @Test func `the share above a limit counts what is longer`() throws {
    let histogram = histogram(of: (1...100).map { $0 * 1_000_000 })
    #expect(try abs(#require(histogram.share(above: .milliseconds(75))) - 0.25) < 0.011)
    #expect(histogram.share(above: .seconds(1)) == 0)
    #expect(histogram.share(above: .zero) == 1)
  }
}
