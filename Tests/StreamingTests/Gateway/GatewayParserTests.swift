import Testing

@testable import Streaming

struct GatewayParserTests {
  @Test func `every first byte but FastCGI's version and a digit cuts the connection off`() {
    for byte in UInt8.min...UInt8.max {
      let arrivals = FakeConnection.arrivals([[byte]])
      let isOurs = byte == 1 || (0x30...0x39).contains(byte)
      #expect(arrivals == (isOurs ? [] : [.close]), "byte \(byte)")
    }
  }

  @Test func `a connection that has said nothing is in no request`() {
    #expect(!FakeConnection().parser.isInRequest)
  }

  @Test func `random records never break the parser, whatever they hold`() {
    var random = SeededGenerator(seed: 5)
    for _ in 0..<2000 {
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        let content = (0..<Int.random(in: 0...20, using: &random)).map { _ in UInt8.random(in: 0...4, using: &random) }
        bytes += WebServer.record(
          number: .random(in: 0...12, using: &random), id: .random(in: 0...2, using: &random), content,
          padding: .random(in: 0...9, using: &random))
      }
      let whole = FakeConnection.arrivals([bytes])
      #expect(FakeConnection.arrivals(Chunkings.byteByByte(bytes)) == whole)
    }
  }
}
