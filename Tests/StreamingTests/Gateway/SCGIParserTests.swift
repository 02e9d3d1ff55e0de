import Testing

@testable import Streaming

struct SCGIParserTests {
  private func expect(_ bytes: [UInt8], is arrivals: [Arrival], _ location: SourceLocation = #_sourceLocation) {
    for chunks in Chunkings.of(bytes) {
      let seen = FakeConnection.arrivals(chunks, answersAtOnce: false)
      #expect(seen == arrivals, "in pieces of \(chunks.map(\.count))", sourceLocation: location)
    }
  }

  @Test func `a POST as nginx sends it is one request`() {
    let bytes = WebServer.scgi([("REQUEST_METHOD", "POST"), ("DOCUMENT_URI", "/stream")], body: "hello")
    for chunks in Chunkings.of(bytes) {
      var connection = FakeConnection()
      for chunk in chunks { connection.receive(chunk) }
      #expect(connection.arrivals == [.request(body: "hello", defect: nil, keeps: false)])
      #expect(connection.params.first?["DOCUMENT_URI"] == "/stream")
      #expect(connection.parser.framing == .scgi)
    }
  }

  @Test func `a GET is whole with its comma`() {
    expect(WebServer.scgi([("REQUEST_METHOD", "GET")]), is: [.request(body: "", defect: nil, keeps: false)])
  }

  @Test func `half a request is known as such`() {
    let bytes = WebServer.scgi([], body: "hello")
    for split in 1..<bytes.count {
      var connection = FakeConnection()
      connection.receive(Array(bytes[..<split]))
      #expect(connection.parser.isInRequest)
      #expect(connection.arrivals.isEmpty)
    }
  }

  @Test(arguments: [
    "12", "0", "00", "01:", "12x:", "1:", "5000:", "4294967296:", "99999999999999999999:", "7 :", "3,", "1-",
  ])
  func `what is no netstring within the bound is never a request`(start: String) {
    let rest = String(repeating: "\u{0}", count: 20).bytes
    expect(start.bytes + rest, is: [.close])
  }

  @Test func `a netstring's length begins with no zero`() {
    expect("0".bytes + WebServer.scgi([]), is: [.close])
  }

  @Test func `a netstring without its comma cuts the connection off`() {
    var bytes = WebServer.scgi([])
    bytes[bytes.count - 1] = UInt8(ascii: ";")
    expect(bytes, is: [.close])
  }

  @Test(arguments: [
    "", "A", "A\u{0}b\u{0}", "SCGI\u{0}1\u{0}CONTENT_LENGTH\u{0}0\u{0}", "CONTENT_LENGTH\u{0}0\u{0}",
    "CONTENT_LENGTH\u{0}0\u{0}SCGI\u{0}2\u{0}", "CONTENT_LENGTH\u{0}0\u{0}SCGI\u{0}1",
  ])
  func `headers that are no SCGI request cut the connection off`(headers: String) {
    expect("\(headers.utf8.count):\(headers),".bytes, is: [.close])
  }

  @Test func `headers over the bound cut the connection off before they are read`() {
    var connection = FakeConnection()
    connection.receive("\(FakeConnection.bounds.params + 1)".bytes)
    #expect(connection.arrivals == [.close])
    #expect(connection.whyClosed.contains("limits.params_bytes"))
  }

  @Test func `a body over the bound is a 413, once all of it has come`() {
    let body = String(repeating: "x", count: FakeConnection.bounds.body + 1)
    for size in [0, 100] {
      let chunks = Chunkings.pieces(WebServer.scgi([], body: body), of: size)
      #expect(FakeConnection.arrivals(chunks) == [.request(body: "", defect: 413, keeps: false)])
      #expect(FakeConnection.arrivals(chunks.dropLast()).isEmpty)
    }
  }

  @Test func `an endless body is answered before its end`() {
    var connection = FakeConnection(answersAtOnce: false)
    connection.receive(WebServer.scgi([], length: "99999999999"))
    for _ in 0..<300 where connection.arrivals.isEmpty { connection.receive([UInt8](repeating: 0x61, count: 65_535)) }
    #expect(connection.arrivals == [.request(body: "", defect: 413, keeps: false)])
  }

  @Test func `a CONTENT_LENGTH that is no number is told to be none`() {
    expect(WebServer.scgi([], length: "many"), is: [.request(body: "", defect: 400, keeps: false)])
  }

  @Test func `bytes behind the body are told or cut the connection off, wherever they are cut`() {
    let bytes = WebServer.scgi([], body: "hello!", length: "5")
    for chunks in Chunkings.of(bytes) {
      let arrivals = FakeConnection.arrivals(chunks, answersAtOnce: false)
      #expect(
        arrivals == [.request(body: "", defect: 400, keeps: false)]
          || arrivals == [.request(body: "hello", defect: nil, keeps: false), .close])
    }
  }
}
