import Testing

@testable import Streaming

/// Recorded exchanges, each cut at every place.
struct FastCGIParserTests {
  private func expect(
    _ bytes: [UInt8], is arrivals: [Arrival], answersAtOnce: Bool = true, _ location: SourceLocation = #_sourceLocation
  ) {
    for chunks in Chunkings.of(bytes) {
      let seen = FakeConnection.arrivals(chunks, answersAtOnce: answersAtOnce)
      #expect(seen == arrivals, "in pieces of \(chunks.map(\.count))", sourceLocation: location)
    }
  }

  private let hello = Arrival.request(body: "hello", defect: nil, keeps: true)

  @Test func `a POST as nginx sends it is one request`() {
    expect(WebServer.request(WebServer.post("hello"), body: "hello"), is: [hello])
  }

  @Test func `a GET has an empty body`() {
    expect(WebServer.request([("REQUEST_METHOD", "GET")]), is: [.request(body: "", defect: nil, keeps: true)])
  }

  @Test(arguments: [1, 3, 7])
  func `parameters and bodies that straddle records are joined`(size: Int) {
    let bytes = WebServer.request(WebServer.post("hello"), body: "hello", size: size)
    for chunks in Chunkings.of(bytes) {
      var connection = FakeConnection()
      for chunk in chunks { connection.receive(chunk) }
      #expect(connection.arrivals == [hello])
      #expect(connection.params.first?["PATH_INFO"] == "/stream")
    }
  }

  @Test func `padding of any length is passed over`() {
    let pairs = WebServer.pairs(WebServer.post("hello"))
    expect(
      WebServer.begin() + WebServer.record(.params, pairs, padding: 255) + WebServer.record(.params, padding: 8)
        + WebServer.record(.stdin, "hello".bytes, padding: 3) + WebServer.record(.stdin, padding: 1)
        + WebServer.request(WebServer.post("hello"), body: "hello"),
      is: [hello, hello])
  }

  @Test func `the web server decides whether the connection is kept`() {
    expect(WebServer.request(keep: false), is: [.request(body: "", defect: nil, keeps: false)])
  }

  @Test func `requests follow one another on a kept connection`() {
    let one = WebServer.request(WebServer.post("hello"), body: "hello")
    expect(one + one + WebServer.request(id: 9), is: [hello, hello, .request(body: "", defect: nil, keeps: true)])
  }

  @Test func `a request sent ahead waits for the end of the running one, and is whole then`() {
    let one = WebServer.request(WebServer.post("hello"), body: "hello")
    for chunks in Chunkings.of(one + one + one) {
      var connection = FakeConnection(answersAtOnce: false)
      for chunk in chunks { connection.receive(chunk) }
      for count in 1...3 {
        #expect(connection.arrivals == [Arrival](repeating: hello, count: count))
        #expect(connection.parser.isHeldBack == (count < 3))
        connection.answer()
      }
    }
  }

  @Test func `an answer goes out under its request's id`() {
    var connection = FakeConnection(answersAtOnce: false)
    connection.receive(WebServer.request(id: 0x0102))
    #expect(connection.parser.framing == .fastCGI(requestID: 0x0102))
  }

  @Test func `half a request is known as such, a whole one or none is not`() {
    let bytes = WebServer.request(WebServer.post("hello"), body: "hello")
    for split in 0...bytes.count {
      var connection = FakeConnection(answersAtOnce: false)
      connection.receive(Array(bytes[..<split]))
      #expect(connection.parser.isInRequest == (split > 0 && split < bytes.count), "after \(split) bytes")
      connection.receive(Array(bytes[split...]))
      connection.answer()
      #expect(!connection.parser.isInRequest)
    }
  }

  // MARK: Management

  @Test func `FCGI_GET_VALUES is told what is known of what it asks`() throws {
    let asked = WebServer.pairs([("FCGI_MPXS_CONNS", ""), ("FCGI_MAX_CONNS", ""), ("FCGI_ODD", "")])
    let bytes = WebServer.record(.getValues, id: 0, asked, padding: 4)
    for chunks in Chunkings.of(bytes) {
      guard case .replies(let records)? = FakeConnection.arrivals(chunks).first else {
        Issue.record("no reply")
        return
      }
      #expect(records.map(\.type) == [10])
      #expect(records.map(\.id) == [0])
      let values = try Params(fastCGI: records[0].content)
      #expect(values.names.sorted() == ["FCGI_MAX_CONNS", "FCGI_MPXS_CONNS"])
      #expect(values["FCGI_MAX_CONNS"] == "77")
      #expect(values["FCGI_MPXS_CONNS"] == "0")
    }
  }

  @Test func `a name asked 1,000 times is answered once`() {
    let asked = WebServer.pairs([(String, String)](repeating: ("FCGI_MAX_REQS", ""), count: 1000))
    let result = ReadRecord(type: 10, id: 0, content: WebServer.pairs([("FCGI_MAX_REQS", "77")]))
    #expect(FakeConnection.arrivals([WebServer.record(.getValues, id: 0, asked)]) == [.replies([result])])
  }

  @Test func `an unknown management record is told to be unknown`() {
    expect(
      WebServer.record(number: 42, id: 0, "what".bytes, padding: 4),
      is: [.replies([ReadRecord(type: 11, id: 0, content: [42, 0, 0, 0, 0, 0, 0, 0])])])
  }

  @Test func `management records are answered before, within and during a request, and leave it whole`() {
    let ask = WebServer.record(number: 99, id: 0)
    let pairs = WebServer.pairs(WebServer.post("hello"))
    let reply = Arrival.replies([ReadRecord(type: 11, id: 0, content: [99, 0, 0, 0, 0, 0, 0, 0])])
    expect(
      ask + WebServer.begin() + ask + WebServer.record(.params, Array(pairs[..<20])) + ask
        + WebServer.record(.params, Array(pairs[20...])) + WebServer.record(.params) + ask
        + WebServer.record(.stdin, "hel".bytes) + ask + WebServer.record(.stdin, "lo".bytes) + WebServer.record(.stdin)
        + ask,
      is: [reply, reply, reply, reply, reply, hello, reply], answersAtOnce: false)
  }

  // MARK: Abort

  @Test func `an abort before the request is whole ends it, and the next one is served`() {
    let ended = Arrival.replies([.endRequest(id: 1, status: 0)])
    let start = WebServer.begin() + WebServer.record(.params, WebServer.pairs(WebServer.post("hello")))
    let next = WebServer.request(WebServer.post("hello"), body: "hello")
    expect(start + WebServer.record(.abort) + next, is: [ended, hello])
    expect(start + WebServer.record(.params) + WebServer.record(.abort) + next, is: [ended, hello])
    let half = WebServer.record(.params) + WebServer.record(.stdin, "hel".bytes)
    expect(start + half + WebServer.record(.abort) + next, is: [ended, hello])
  }

  @Test func `an abort on a connection that is not kept ends it`() {
    expect(
      WebServer.begin(keep: false) + WebServer.record(.abort), is: [.replyAndClose([.endRequest(id: 1, status: 0)])])
  }

  @Test func `an abort of the running request calls it off`() {
    expect(
      WebServer.request() + WebServer.record(.abort),
      is: [
        .request(body: "", defect: nil, keeps: true), .abort,
      ], answersAtOnce: false)
  }

  @Test func `an abort of a request that has ended, or never was, says nothing`() {
    expect(
      WebServer.record(.abort, id: 5) + WebServer.request() + WebServer.record(.abort) + WebServer.record(.abort, id: 5)
        + WebServer.request(),
      is: [Arrival](repeating: .request(body: "", defect: nil, keeps: true), count: 2))
  }
}
