import Testing

@testable import StreamBench

struct ExtentTests {
  @Test func `descriptors are asked for two a stream of the largest load, and never without bound`() {
    #expect(Extent.full.descriptors == 18048 && Extent.quick.descriptors == 4048)
    var extent = Extent.full
    extent.scaleStreams = [1_000_000]
    #expect(extent.descriptors == 65536)
  }
}
