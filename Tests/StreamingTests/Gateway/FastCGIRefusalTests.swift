import Testing

@testable import Streaming

/// What a web server may not do, and what it gets for it.
struct FastCGIRefusalTests {
  private func expect(
    _ bytes: [UInt8], is arrivals: [Arrival], answersAtOnce: Bool = true, _ location: SourceLocation = #_sourceLocation
  ) {
    for chunks in Chunkings.of(bytes) {
      let seen = FakeConnection.arrivals(chunks, answersAtOnce: answersAtOnce)
      #expect(seen == arrivals, "in pieces of \(chunks.map(\.count))", sourceLocation: location)
    }
  }

  private let hello = Arrival.request(body: "hello", defect: nil, keeps: true)
  private let helloBytes = WebServer.request(WebServer.post("hello"), body: "hello")

  @Test(arguments: [0, 2, 3, 77] as [UInt16])
  func `a role that is not ours is refused, and the connection lives on`(role: UInt16) {
    let refused =
      WebServer.begin(role: role) + WebServer.stream(.params, WebServer.pairs([("A", "b")]))
      + WebServer.stream(.stdin, "x".bytes)
    expect(refused + helloBytes, is: [.replies([.endRequest(id: 1, status: 3)]), hello])
  }

  @Test func `a role that is not ours ends a connection that is not kept`() {
    expect(WebServer.begin(role: 2, keep: false), is: [.replyAndClose([.endRequest(id: 1, status: 3)])])
  }

  @Test func `a second request beside the first is refused, and the first goes on`() {
    let other = WebServer.request(id: 2, [("A", "b")], body: "x")
    let refused = Arrival.replies([.endRequest(id: 2, status: 1)])
    let parts = [
      WebServer.begin(), WebServer.stream(.params, WebServer.pairs(WebServer.post("hello"))),
      WebServer.record(.stdin, "hello".bytes), WebServer.record(.stdin),
    ]
    for place in 1..<parts.count {
      expect((parts[..<place] + [other] + parts[place...]).flatMap { $0 }, is: [refused, hello])
    }
    expect(helloBytes + other + WebServer.record(.abort), is: [hello, refused, .abort], answersAtOnce: false)
  }

  @Test func `a request that begins twice cuts the connection off`() {
    expect(WebServer.begin() + WebServer.begin(), is: [.close])
    expect(WebServer.begin() + WebServer.stream(.params, []) + WebServer.begin(), is: [.close])
  }

  @Test(arguments: [0, 2, 255] as [UInt8])
  func `another version of the protocol cuts the connection off`(version: UInt8) {
    expect(
      WebServer.request() + WebServer.record(.begin, [0, 1, 1, 0, 0, 0, 0, 0], version: version),
      is: [
        .request(body: "", defect: nil, keeps: true), .close,
      ])
  }

  @Test func `BEGIN_REQUEST of less than its eight bytes cuts the connection off`() {
    for count in 0..<8 {
      expect(WebServer.record(.begin, [UInt8](repeating: 1, count: count)), is: [.close])
    }
  }

  @Test func `records of nobody's request are passed over`() {
    expect(
      WebServer.record(.params, id: 7, "ab".bytes) + WebServer.record(.stdin, "x".bytes) + WebServer.record(.data, [1])
        + WebServer.record(number: 200, "odd".bytes) + helloBytes,
      is: [hello])
    expect(
      WebServer.begin() + WebServer.record(.params, id: 2, [9, 9, 9])
        + WebServer.stream(.params, WebServer.pairs(WebServer.post("hello")))
        + WebServer.record(.stdin, id: 2, "no".bytes)
        + WebServer.stream(.stdin, "hello".bytes),
      is: [hello])
  }

  @Test func `a body before the end of the parameters cuts the connection off`() {
    expect(WebServer.begin() + WebServer.record(.stdin, "x".bytes), is: [.close])
  }

  @Test func `parameters that are no pairs, 4 GiB long ones among them, cut the connection off`() {
    for content in [[5, 5, 65], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]] as [[UInt8]] {
      expect(WebServer.begin() + WebServer.stream(.params, content), is: [.close])
    }
  }

  @Test func `parameters are taken up to the bound, and beyond it cut the connection off`() {
    func request(_ count: Int) -> [UInt8] {
      let pairs = WebServer.pairs([("A", String(repeating: "x", count: count - 6))])
      #expect(pairs.count == count)
      return WebServer.begin() + WebServer.stream(.params, pairs, size: 1000) + WebServer.record(.stdin)
    }
    let bound = FakeConnection.bounds.params
    #expect(FakeConnection.arrivals([request(bound)]) == [.request(body: "", defect: nil, keeps: true)])
    for size in [0, 1, 999] {
      var connection = FakeConnection()
      for chunk in Chunkings.pieces(request(bound + 1), of: size) { connection.receive(chunk) }
      #expect(connection.arrivals == [.close])
      #expect(connection.whyClosed.contains("limits.params_bytes"))
    }
  }

  // MARK: Bodies

  @Test func `a body shorter than CONTENT_LENGTH is told to be`() {
    expect(
      WebServer.request(WebServer.post("hello", length: 6), body: "hello"),
      is: [.request(body: "", defect: 400, keeps: true)])
  }

  @Test func `a body longer than CONTENT_LENGTH ends the connection with its answer`() {
    expect(
      WebServer.request(WebServer.post("hello", length: 4), body: "hello"),
      is: [.request(body: "", defect: 400, keeps: false)], answersAtOnce: false)
  }

  @Test func `a body without CONTENT_LENGTH is taken as it comes`() {
    expect(WebServer.request([("REQUEST_METHOD", "POST")], body: "hello", size: 2), is: [hello])
  }

  @Test func `an endless body is answered before its end, and ends the connection`() {
    let record = WebServer.record(.stdin, [UInt8](repeating: 0x61, count: 65_535))
    for params in [[], [("CONTENT_LENGTH", "99999999999")]] {
      var connection = FakeConnection(answersAtOnce: false)
      connection.receive(WebServer.begin() + WebServer.stream(.params, WebServer.pairs(params)))
      for _ in 0..<300 { connection.receive(record) }
      #expect(connection.arrivals == [.request(body: "", defect: 413, keeps: false)])
    }
  }

  @Test(arguments: ["x", "-1", "1e3", "99999999999999999999", " 5"])
  func `a CONTENT_LENGTH that is no number is told to be none`(length: String) {
    expect(
      WebServer.request([("CONTENT_LENGTH", length)], body: ""), is: [.request(body: "", defect: 400, keeps: true)])
  }

  @Test(arguments: [("/stream", 1000, "limits.body_bytes"), ("/v1/chat/completions", 3000, "limits.v1_body_bytes")])
  func `a body over its route's bound is a 413 that names the setting`(path: String, bound: Int, setting: String) {
    for (count, announced) in [(bound, true), (bound + 1, true), (bound + 1, false), (bound, false)] {
      let body = String(repeating: "x", count: count)
      let params = announced ? WebServer.post(body, path: path) : [("PATH_INFO", path)]
      var connection = FakeConnection()
      for chunk in Chunkings.pieces(WebServer.request(params, body: body, size: 400), of: 333) {
        connection.receive(chunk)
      }
      let isOver = count > bound
      #expect(connection.arrivals == [.request(body: isOver ? "" : body, defect: isOver ? 413 : nil, keeps: true)])
      #expect(connection.defects.allSatisfy { $0.message.contains(setting) })
    }
  }
}
