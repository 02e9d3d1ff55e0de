import Testing

@testable import Streaming

struct RedisPipelineTests {
  private static let name = String(repeating: "a", count: 40)
  private static let claims = Claims(
    client: ClientID(addressHigh: 0, low: 1), Quota(streams: 2), key: "team", Quota(tokensPerDay: 9))

  private static func question(_ claims: Claims = claims) -> LedgerQuestion {
    LedgerQuestion(claims, lease: "lease-1", leaseTime: .seconds(5), prefix: "p:", wall: 86_400 * 3 + 86_399)
  }

  /// One whose login is over.
  private func ready() throws -> RedisPipeline {
    var pipeline = RedisPipeline(RedisPipeline.Login())
    #expect(try receive(&pipeline, "$40\r\n\(Self.name)\r\n") == [.ready])
    pipeline.output = []
    return pipeline
  }

  private func receive(_ pipeline: inout RedisPipeline, _ text: String) throws -> [RedisPipeline.Event] {
    let bytes = Array(text.utf8)
    return try pipeline.receive(bytes.span)
  }

  private func words(_ output: [UInt8]) -> [String] {
    String(decoding: output, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)
      .filter { !$0.hasPrefix("$") && !$0.hasPrefix("*") }.map(String.init).dropLast()
  }

  @Test func `it logs in as it is told, and loads the script`() throws {
    var pipeline = RedisPipeline(RedisPipeline.Login(user: "u", password: "p", database: 4))
    let sent = words(pipeline.output)
    #expect(sent.prefix(7) == ["AUTH", "u", "p", "SELECT", "4", "SCRIPT", "LOAD"])
    #expect(try receive(&pipeline, "+OK\r\n") == [])
    #expect(try receive(&pipeline, "+OK\r\n$40\r\n\(Self.name)\r\n") == [.ready])
    #expect(pipeline.awaited == 0)
  }

  @Test(arguments: [
    ("-WRONGPASS invalid username-password pair or user p\r\n", "it refuses the password (WRONGPASS)"),
    ("-p\r\n", "it refuses the password"),
    (":1\r\n", "it refuses the password"),
    ("SSH-2.0\r\n", "what it sends is not Redis's protocol"),
  ])
  func `a login that fails is told, and nothing of what Redis quotes`(reply: String, told: String) {
    var pipeline = RedisPipeline(RedisPipeline.Login(password: "p"))
    #expect(throws: RedisPipeline.Fault(told)) { try receive(&pipeline, reply) }
  }

  @Test func `a question names client and key and their bounds`() throws {
    var pipeline = try ready()
    pipeline.ask(Self.question(), number: 1)
    let client = "p:client:a" + String(repeating: "0", count: 31) + "1"
    #expect(
      words(pipeline.output) == [
        "EVALSHA", Self.name, "6", "\(client):streams", "\(client):requests", "\(client):tokens:3",
        "p:key:team:streams", "p:key:team:requests", "p:key:team:tokens:3", "lease-1", "5000", "1000", "2", "0", "0",
        "0", "0", "9",
      ])
  }

  @Test func `answers come in the order of the questions`() throws {
    var pipeline = try ready()
    for number in 1...3 { pipeline.ask(Self.question(), number: number) }
    pipeline.tell(["ZREM", "x", "y"])
    #expect(pipeline.awaited == 4)
    let events = try receive(
      &pipeline, "*2\r\n:0\r\n$1\r\n0\r\n*2\r\n:1\r\n$7\r\n1000000\r\n*2\r\n:6\r\n$8\r\n90000000\r\n:1\r\n")
    #expect(
      events == [
        .answer(1, .admitted), .answer(2, .refused(Refusal(.clientStreams, wait: .seconds(1)))),
        .answer(3, .refused(Refusal(.keyTokens, wait: .seconds(90)))),
      ])
    #expect(pipeline.awaited == 0)
  }

  @Test func `without a client the first bounds are the key's`() throws {
    var pipeline = try ready()
    let claims = Claims(client: nil, Quota(), key: "team", Quota(requestsPerMinute: 1))
    pipeline.ask(Self.question(claims), number: 1)
    #expect(
      try receive(&pipeline, "*2\r\n:2\r\n$2\r\n10\r\n")
        == [.answer(1, .refused(Refusal(.keyRequests, wait: .microseconds(10))))])
  }

  @Test func `a script that is gone is sent along, once`() throws {
    var pipeline = try ready()
    pipeline.ask(Self.question(), number: 1)
    pipeline.output = []
    #expect(try receive(&pipeline, "-NOSCRIPT No matching script.\r\n") == [])
    #expect(words(pipeline.output).first == "EVAL" && pipeline.awaited == 1)
    #expect(
      try receive(&pipeline, "-NOSCRIPT again\r\n")
        == [.unanswered(1, RedisPipeline.Fault("it cannot answer (NOSCRIPT)"))])
  }

  @Test func `a question that nobody asks any more is not asked again`() throws {
    var pipeline = try ready()
    pipeline.ask(Self.question(), number: 1)
    pipeline.forget(1)
    pipeline.output = []
    let events = try receive(&pipeline, "-NOSCRIPT No matching script.\r\n")
    #expect(pipeline.output.isEmpty && !events.contains { if case .answer = $0 { true } else { false } })
  }

  @Test(arguments: [
    "+OK\r\n", "*1\r\n:0\r\n", "*2\r\n:7\r\n$1\r\n1\r\n", "*2\r\n:3\r\n$1\r\n1\r\n", "*2\r\n:1\r\n$2\r\n-1\r\n",
    "$-1\r\n", "-READONLY You can't write against a read only replica.\r\n",
  ])
  func `an answer that is none leaves the question open`(reply: String) throws {
    var pipeline = try ready()
    pipeline.ask(Self.question(), number: 5)
    let events = try receive(&pipeline, reply)
    guard case .unanswered(5, _)? = events.first else {
      Issue.record("\(events)")
      return
    }
  }

  @Test func `a reply that nobody asked for ends the connection`() throws {
    var pipeline = try ready()
    #expect(throws: RedisPipeline.Fault.self) { try receive(&pipeline, "+OK\r\n") }
  }

  @Test func `a thousand answers leave nothing behind`() throws {
    var pipeline = try ready()
    for number in 0..<1000 {
      pipeline.ask(Self.question(), number: number)
      pipeline.tell(["ZREM"])
      #expect(try receive(&pipeline, "*2\r\n:0\r\n$1\r\n0\r\n") == [.answer(number, .admitted)])
      #expect(try receive(&pipeline, ":1\r\n") == [])
    }
    #expect(pipeline.awaited == 0)
  }
}
