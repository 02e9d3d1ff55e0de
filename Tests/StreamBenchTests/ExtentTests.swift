import Testing

@testable import StreamBench

struct ExtentTests {
  @Test func `descriptors are asked for two a stream of the largest load, and never without bound`() {
    #expect(Extent.full.descriptors == 16512 && Extent.quick.descriptors == 2512)
    var extent = Extent.full
    extent.scaleStreams = [1_000_000]
    #expect(extent.descriptors == 65536)
  }
}
