/// One connection to Redis: what goes out over it, and what the replies, which come in the order of the commands, mean.
///
/// Nothing waits for the reply before: commands go out as they come. It neither connects nor tells the time.
public struct RedisPipeline {
  /// How a connection begins.
  public struct Login: Equatable, Sendable {
    public var user: String?
    public var password: String?
    public var database: Int

    public init(user: String? = nil, password: String? = nil, database: Int = 0) {
      self.user = user
      self.password = password
      self.database = database
    }
  }

  public enum Event: Equatable {
    /// The login is over: Redis is there.
    case ready
    case answer(Int, LedgerVerdict)
    /// A question that Redis could not answer.
    case unanswered(Int, Fault)
  }

  /// Why the connection, or a question, is of no use. No word of it is Redis's own beyond the kind of its error, as
  /// others may quote what they were sent.
  public struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
      self.description = description
    }
  }

  private enum Expected {
    case login(String)
    case script
    case question(Int, LedgerQuestion, isRepeated: Bool)
    case nothing
  }

  /// To be sent; the loop takes it from its front.
  public var output: [UInt8] = []

  private var parser = RESPParser()
  private var expected: [Expected] = []
  /// Replies at the front of `expected` that have come.
  private var taken = 0
  /// The script's name in Redis, which it tells when the script is loaded.
  private var script = ""

  public init(_ login: Login) {
    if let password = login.password {
      send(["AUTH"] + (login.user.map { [$0] } ?? []) + [password], .login("the password"))
    }
    if login.database != 0 { send(["SELECT", String(login.database)], .login("the database \(login.database)")) }
    send(["SCRIPT", "LOAD", LedgerScript.text], .script)
  }

  /// Replies that are still to come.
  public var awaited: Int { expected.count - taken }

  /// Once it is ready.
  /// - Parameter number: names the question in its answer.
  public mutating func ask(_ question: LedgerQuestion, number: Int) {
    send(["EVALSHA", script] + LedgerScript.arguments(question), .question(number, question, isRepeated: false))
  }

  /// Nobody waits for the answer any more.
  public mutating func forget(_ number: Int) {
    for index in expected.indices.dropFirst(taken) {
      if case .question(number, let question, _) = expected[index] {
        expected[index] = .question(-1, question, isRepeated: true)
      }
    }
  }

  /// A command whose reply tells nothing.
  public mutating func tell(_ words: [String]) {
    send(words, .nothing)
  }

  /// - Throws: where the connection is of no use any more.
  public mutating func receive(_ bytes: Span<UInt8>) throws(Fault) -> [Event] {
    parser.append(bytes)
    var events: [Event] = []
    while let reply = try next() {
      guard taken < expected.count else { throw Fault("it sends replies that nobody asked for") }
      let next = expected[taken]
      taken += 1
      if let event = try event(of: reply, to: next) { events.append(event) }
    }
    if taken == expected.count || taken > 256 {
      expected.removeSubrange(..<taken)
      taken = 0
    }
    return events
  }

  private mutating func next() throws(Fault) -> RESPValue? {
    do throws(RESPParser.Malformed) {
      return try parser.next()
    } catch {
      throw Fault("what it sends is not Redis's protocol")
    }
  }

  private mutating func event(of reply: RESPValue, to expected: Expected) throws(Fault) -> Event? {
    switch expected {
    case .login(let what):
      guard reply == .text("OK") else { throw Fault("it refuses \(what)\(Self.kind(of: reply))") }
      return nil
    case .script:
      guard case .text(let name) = reply, name.utf8.count == 40 else {
        throw Fault("it does not take our script\(Self.kind(of: reply))")
      }
      script = name
      return .ready
    case .question(let number, let question, let isRepeated):
      if let verdict = LedgerScript.verdict(reply, on: question.claims) { return .answer(number, verdict) }
      // It was restarted behind a proxy, or its scripts were flushed.
      if !isRepeated, case .error(let text) = reply, text.hasPrefix("NOSCRIPT") {
        let words = ["EVAL", LedgerScript.text] + LedgerScript.arguments(question)
        send(words, .question(number, question, isRepeated: true))
        return nil
      }
      return .unanswered(number, Fault("it cannot answer\(Self.kind(of: reply))"))
    case .nothing: return nil
    }
  }

  /// The first word of an error, where it is one of the capital words that Redis uses.
  private static func kind(of reply: RESPValue) -> String {
    guard case .error(let text) = reply else { return "" }
    let word = text.prefix { $0 != " " }
    guard (1...20).contains(word.utf8.count), word.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else { return "" }
    return " (\(word))"
  }

  private mutating func send(_ words: [String], _ reply: Expected) {
    RESPCommand.append(words, to: &output)
    expected.append(reply)
  }
}
