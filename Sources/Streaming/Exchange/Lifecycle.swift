/// The life of one generation, from the provider's first byte to the client's last: what is held, passed on, told and
/// given up, and when.
///
/// It is told what happened and at what time, writes the answer into its buffer, and returns what the loop must do.
/// Exactly one terminal event ends a stream (`Completion` or `Failure`), or a status line where nothing went out before.
public struct Lifecycle {
  /// What the answer says of itself.
  public struct Subject: Sendable {
    public var requestID: String
    /// `provider/model`, as resolved.
    public var model: String
    public var provider: String
    public var price: Price?
    /// What must never come back: the provider's keys.
    public var secrets: [String]
    /// Fields of every answer to this request: its id, what CORS asks for.
    public var fields: [(name: String, value: String)]

    public init(
      requestID: String, model: String, provider: String, price: Price?, secrets: [String],
      fields: [(name: String, value: String)]
    ) {
      self.requestID = requestID
      self.model = model
      self.provider = provider
      self.price = price
      self.secrets = secrets
      self.fields = fields
    }
  }

  /// How the provider's reply came to its end.
  public enum UpstreamEnd: Equatable, Sendable {
    /// The body ended as HTTP says it must.
    case complete
    /// The connection broke, or ended inside the body.
    case brokenOff
    /// What came is no HTTP response.
    case noResponse
    /// No connection came about; why.
    case unreachable(String)
    case connectTimedOut
    /// This process has no descriptor left for a connection.
    case noDescriptor
  }

  public enum Action: Equatable {
    case nothing
    /// Something waits in the buffer.
    case send
    /// The same, and nothing will follow it: the provider is no longer needed.
    case finish
    /// The client takes nothing: cut it off. The provider is no longer needed.
    case abandon
  }

  public enum Outcome: Equatable, Sendable {
    case done(FinishReason)
    case failed(Failure)
    case clientLeft
    case clientStalled
  }

  public let subject: Subject
  public var buffer: BackpressureBuffer
  /// Nil while it runs.
  public private(set) var outcome: Outcome?
  /// The status that the client saw; 0 while it is held.
  public private(set) var status = 0
  public private(set) var usage: Usage?
  /// Pieces of visible text that were passed on.
  public private(set) var tokenCount = 0

  private let writer: EventStreamWriter
  private var deadlines: Deadlines
  private var reply: ReplyReader

  private var finishReason: FinishReason?
  private var hasToolCalls = false
  private var firstTokenAt: Instant?

  /// - Parameter lineBound: bytes of one line of the provider's stream.
  public init(
    subject: Subject, clocks: Clocks, mark: BackpressureBuffer.Mark, lineBound: Int, decoder: any ProviderDecoder,
    at now: Instant
  ) {
    self.subject = subject
    deadlines = Deadlines(clocks, at: now)
    reply = ReplyReader(lineBound: lineBound, decoder: decoder)
    buffer = BackpressureBuffer(mark: mark)
    writer = EventStreamWriter(requestID: subject.requestID)
  }

  /// Milliseconds until the first visible token; nil before it.
  public var firstTokenMilliseconds: Int? { firstTokenAt.map { deadlines.started.milliseconds(to: $0) } }

  public func milliseconds(at now: Instant) -> Int { deadlines.started.milliseconds(to: now) }

  // MARK: The provider

  /// The head of its reply is there.
  public mutating func receive(head: ResponseHead) {
    reply.receive(head: head)
  }

  /// Bytes of its body, in any chunking.
  public mutating func receive(_ bytes: Span<UInt8>, at now: Instant) -> Action {
    guard outcome == nil else { return .nothing }
    deadlines.providerSent(at: now)
    var position = 0
    var action = Action.nothing
    do throws(ReplyReader.Malformed) {
      while let place = try reply.next(in: bytes, from: &position) {
        let next = pass(on: place, in: bytes, at: now)
        if outcome != nil { return next }
        if next != .nothing { action = next }
      }
    } catch {
      return fail(malformed(error), at: now)
    }
    return action
  }

  /// Nothing more comes from the provider.
  public mutating func upstreamEnded(_ end: UpstreamEnd, at now: Instant) -> Action {
    guard outcome == nil else { return .nothing }
    switch end {
    case .complete: return bodyEnded(at: now)
    case .brokenOff where reply.isRefusal: return bodyEnded(at: now)
    case .brokenOff: return fail(truncated("broke off"), at: now)
    case .noResponse: return fail(malformed(ReplyReader.Malformed(what: "something that is no HTTP response")), at: now)
    case .noDescriptor:
      return fail(
        Failure(.overloaded, "the server has no descriptor left for another stream; ask again", retryAfter: 1), at: now)
    case .unreachable(let why):
      return fail(Failure(.upstreamUnreachable, "\(subject.provider) cannot be reached: \(why)"), at: now)
    case .connectTimedOut:
      let why = "\(subject.provider) cannot be reached: no connection in time"
      return fail(Failure(.upstreamUnreachable, status: 504, why), at: now)
    }
  }

  /// The body has ended as HTTP says it must; whether the answer has is another matter.
  private mutating func bodyEnded(at now: Instant) -> Action {
    let nothing: [UInt8] = []
    do throws(ReplyReader.Malformed) {
      while let place = try reply.finish() {
        let action = pass(on: place, in: nothing.span, at: now)
        if outcome != nil { return action }
      }
    } catch {
      return fail(malformed(error), at: now)
    }
    return finishReason != nil ? finish(at: now) : fail(truncated("ended its reply"), at: now)
  }

  /// Passes on what one item of the reply says.
  private mutating func pass(on place: ReplyReader.Place, in input: Span<UInt8>, at now: Instant) -> Action {
    switch place {
    case .input(let range):
      return pass(on: reply.deltas, in: input.extracting(range), at: now)
    // A copy of the reader (not of its bytes) is read while the rest of this changes.
    case .carried(let range):
      let reply = reply
      return pass(on: reply.deltas, in: reply.carriedBytes.extracting(range), at: now)
    case .collected(let range):
      let reply = reply
      return pass(on: reply.deltas, in: reply.collectedBytes.extracting(range), at: now)
    }
  }

  private mutating func pass(on deltas: [Delta], in data: Span<UInt8>, at now: Instant) -> Action {
    var action = Action.nothing
    for delta in deltas {
      let next = pass(on: delta, in: data, at: now)
      if outcome != nil { return next }
      if next != .nothing { action = next }
    }
    return action
  }

  private mutating func pass(on delta: Delta, in data: Span<UInt8>, at now: Instant) -> Action {
    switch delta {
    case .text(let literal):
      if firstTokenAt == nil { firstTokenAt = now }
      tokenCount += 1
      let writer = writer
      output(at: now) { writer.token(data.extracting(literal.range), to: &$0) }
      buffer.endToken()
    case .reasoning(let literal):
      let writer = writer
      output(at: now) { writer.reasoning(data.extracting(literal.range), to: &$0) }
      buffer.endToken()
    case .toolCall(let fragment):
      hasToolCalls = true
      let writer = writer
      output(at: now) { writer.toolCall(fragment, in: data, to: &$0) }
      buffer.endToken()
    case .finish(let reason):
      finishReason = reason
      return .nothing
    case .usage(let report):
      usage = report
      return .nothing
    case .failure(let failure): return fail(told(failure), at: now)
    case .end: return finish(at: now)
    }
    return .send
  }

  // MARK: Endings

  private mutating func finish(at now: Instant) -> Action {
    let reason = finishReason ?? (hasToolCalls ? .toolCalls : .stop)
    let completion = EventStreamWriter.Completion(
      model: subject.model, finishReason: reason, usage: usage,
      cost: usage.flatMap { usage in subject.price.map { $0.cost(of: usage) } },
      firstToken: firstTokenMilliseconds, duration: milliseconds(at: now), skipped: reply.skipped)
    let writer = writer
    output(at: now) { writer.done(completion, to: &$0) }
    return end(.done(reason))
  }

  /// Ends it with a failure: by the status line where that is still held, else by an event.
  public mutating func fail(_ failure: Failure, at now: Instant) -> Action {
    guard outcome == nil else { return .nothing }
    if status == 0 {
      status = failure.status
      var header = ResponseHeader.problem(failure)
      header.fields += subject.fields
      buffer.write {
        header.write(to: &$0)
        $0.append(contentsOf: failure.problem())
      }
    } else {
      let writer = writer
      buffer.write { writer.error(failure, to: &$0) }
    }
    return end(.failed(failure))
  }

  /// The client is gone; there is nobody to tell.
  public mutating func clientLeft() {
    if outcome == nil { outcome = .clientLeft }
  }

  private mutating func end(_ outcome: Outcome) -> Action {
    self.outcome = outcome
    return .finish
  }

  private mutating func output(at now: Instant, _ body: (inout [UInt8]) -> Void) {
    deadlines.outputWritten(at: now)
    sendHead()
    buffer.write(body)
  }

  private mutating func sendHead() {
    guard status == 0 else { return }
    status = 200
    var header = EventStreamWriter.header
    header.fields += subject.fields
    buffer.write { header.write(to: &$0) }
  }

  private func told(_ failure: ProviderFailure) -> Failure {
    Failure(failure, of: subject.provider, secrets: subject.secrets)
  }

  private func malformed(_ error: ReplyReader.Malformed) -> Failure {
    Failure(.upstreamMalformed, "\(subject.provider) sent \(error.what); what followed is lost")
  }

  private func truncated(_ what: String) -> Failure {
    Failure(.upstreamTruncated, "\(subject.provider) \(what) before the end of its answer; ask again")
  }

  // MARK: The client

  /// The client took `count` bytes of the buffer; what is left, if anything, waits since now.
  public mutating func clientTook(_ count: Int, at now: Instant) {
    buffer.take(count)
    deadlines.clientTook(some: count > 0, rest: !buffer.isEmpty, at: now)
  }

  /// The provider may go on after a pause.
  public mutating func upstreamResumed(at now: Instant) {
    deadlines.providerResumed(at: now)
  }

  // MARK: Clocks

  /// Does what is due by now.
  public mutating func tick(at now: Instant) -> Action {
    guard let (due, at) = nextDeadline, at <= now else { return .nothing }
    let clocks = deadlines.clocks
    switch due {
    case .clientStall:
      outcome = .clientStalled
      return .abandon
    case .total: return fail(timeout(.timeoutTotal, clocks.total, "did not finish its answer"), at: now)
    case .firstToken: return fail(timeout(.timeoutFirstToken, clocks.firstToken, "said nothing"), at: now)
    case .idle: return fail(timeout(.timeoutIdle, clocks.idle, "fell silent in its answer"), at: now)
    case .ping:
      deadlines.pingWritten(at: now)
      sendHead()
      let writer = writer
      buffer.write { writer.ping(to: &$0) }
      return .send
    }
  }

  /// When `tick` has something to do at the earliest, as things stand; nil: never. Most of the time it only moves back,
  /// so it needs to be asked for only after each `tick`, and when `hasEarlierDeadline`.
  public mutating func takeDeadline() -> Instant? {
    deadlines.hasEarlier = false
    return nextDeadline?.at
  }

  /// A clock has started that may end before the deadline that was last taken.
  public var hasEarlierDeadline: Bool { deadlines.hasEarlier }

  private var nextDeadline: (due: Deadlines.Due, at: Instant)? {
    deadlines.next(isHeld: status == 0, isPaused: buffer.isPaused, isOver: outcome != nil)
  }

  private func timeout(_ kind: Failure.Kind, _ limit: Duration, _ what: String) -> Failure {
    Failure(kind, "\(subject.provider) \(what) within \(limit.nanoseconds / 1_000_000) ms; ask again")
  }
}
