/// The life of one generation, from the provider's first byte to the client's last: what is held, passed on, told and
/// given up, and when.
///
/// It is told what happened and at what time, writes the answer into its buffer, and returns what the loop must do.
/// Exactly one terminal event ends a stream (`Completion` or `Failure`), or a status line where nothing went out before.
public struct Lifecycle {
  public let subject: Subject
  /// Who is asked now, or was last.
  public private(set) var speaker: Speaker
  public private(set) var buffer: BackpressureBuffer
  /// The status that the client saw; 0 while it is held.
  public private(set) var status = 0
  public private(set) var usage: Usage?
  /// Pieces of visible text that were passed on.
  public private(set) var tokenCount = 0

  /// Where it stands. Indirect where it is rarely: an open stream holds no place for failures.
  private enum Stage {
    case running
    indirect case attemptFailed(Failure, Verdict)
    /// The next attempt has not begun.
    case waiting
    case over(Outcome)
  }

  /// With so many bytes of one read, what waits goes out before the rest of a burst is read.
  private static let burstBytes = 16 << 10

  private let form: AnswerForm
  private let lineBound: Int
  private var writer: any AnswerWriter
  private var deadlines: Deadlines
  private var reply: ReplyReader
  private var stage = Stage.running

  private var finishReason: FinishReason?
  private var hasToolCalls = false
  private var firstTokenAt: Instant?

  /// Begins with the first attempt.
  /// - Parameters:
  ///   - lineBound: bytes of one line of the provider's stream.
  ///   - wallClock: seconds since 1970.
  public init(
    subject: Subject, form: AnswerForm, clocks: Clocks, mark: BackpressureBuffer.Mark, lineBound: Int,
    asking speaker: Speaker, on wire: Wire, at now: Instant, wallClock: Int
  ) {
    self.subject = subject
    self.form = form
    self.lineBound = lineBound
    self.speaker = speaker
    deadlines = Deadlines(clocks, at: now)
    reply = ReplyReader(lineBound: lineBound, decoder: wire.makeDecoder())
    buffer = BackpressureBuffer(mark: mark)
    writer = form.makeWriter(requestID: subject.requestID, time: wallClock)
    writer.begin(model: speaker.model)
  }

  /// False between two attempts, when what still comes of the last one is nobody's, and once there is an outcome.
  public var isRunning: Bool { if case .running = stage { true } else { false } }

  /// How the last attempt failed, as long as the loop has not chosen what follows.
  public var failedAttempt: (failure: Failure, verdict: Verdict)? {
    if case .attemptFailed(let failure, let verdict) = stage { (failure, verdict) } else { nil }
  }

  /// Nil while it runs.
  public var outcome: Outcome? { if case .over(let outcome) = stage { outcome } else { nil } }

  public var isOver: Bool { if case .over = stage { true } else { false } }

  /// Milliseconds until the first visible token; nil before it.
  public var firstTokenMilliseconds: Int? { firstTokenAt.map { deadlines.started.milliseconds(to: $0) } }

  public var startedAt: Instant { deadlines.started }

  /// Nanoseconds for which bytes waited because the client took no more; the rest of its time is the provider's.
  public func heldUp(at now: Instant) -> Int64 { deadlines.heldUp(at: now) }

  public func milliseconds(at now: Instant) -> Int { deadlines.started.milliseconds(to: now) }

  // MARK: Its turn

  /// Nobody is to be asked before `begin`, which must come by then. The client is kept alive meanwhile.
  public mutating func waitForTurn(until due: Instant) {
    stage = .waiting
    deadlines.waitsForTurn(until: due)
  }

  /// Tells the client its place in the queue, counted from 1, as a comment; an answer that is collected has none.
  public mutating func tellPlace(_ place: Int, at now: Instant) -> Action {
    guard !isOver, !form.isWhole else { return .nothing }
    deadlines.pingWritten(at: now)
    sendHead()
    buffer.storage.append(": place \(place) in the queue\n\n")
    return .send
  }

  /// The wait is over: `begin` follows. The clocks of the answer start now.
  public mutating func takeTurn(at now: Instant) {
    deadlines.turnCame(at: now)
  }

  // MARK: Attempts

  /// Another attempt, after one that has failed.
  public mutating func begin(asking speaker: Speaker, on wire: Wire, at now: Instant) {
    self.speaker = speaker
    reply = ReplyReader(lineBound: lineBound, decoder: wire.makeDecoder())
    (finishReason, hasToolCalls, usage) = (nil, false, nil)
    stage = .running
    writer.begin(model: speaker.model)
    deadlines.attemptBegan(at: now)
  }

  /// Nothing is to be asked before then. The client is kept alive meanwhile.
  public mutating func wait(until due: Instant) {
    stage = .waiting
    deadlines.waits(until: due)
  }

  /// Whether the provider has said anything that the client was, or will be, told.
  public var hasOutput: Bool { deadlines.firstOutputAt != nil }

  /// Ends the attempt, and with it everything where something has been said.
  private mutating func failAttempt(_ failure: Failure, _ verdict: Verdict, at now: Instant) -> Action {
    guard !hasOutput else { return fail(failure, at: now) }
    stage = .attemptFailed(failure, verdict)
    return .attemptFailed
  }

  // MARK: The provider

  /// The head of its reply is there.
  public mutating func receive(head: ResponseHead) {
    guard isRunning else { return }
    reply.receive(head: head)
  }

  /// Bytes of its body, in any chunking.
  /// - Parameter room: what the buffer may use; see `BackpressureBuffer.borrow`. What it keeps comes back with `send`.
  public mutating func receive(_ bytes: Span<UInt8>, into room: inout [UInt8], at now: Instant) -> Heard {
    guard isRunning else { return Heard(startedAt: startedAt) }
    let before = tokenCount
    buffer.borrow(&room)
    let action = passAll(of: bytes, at: now)
    // Comments and halves of events write nothing, so nothing will be sent.
    if action == .nothing { buffer.giveBack(&room) }
    return Heard(action: action, tokens: tokenCount - before, startedAt: startedAt, isBurst: hasBurst)
  }

  private mutating func passAll(of bytes: Span<UInt8>, at now: Instant) -> Action {
    deadlines.providerSent(at: now)
    var position = 0
    var action = Action.nothing
    do throws(ReplyReader.Malformed) {
      while let place = try reply.next(in: bytes, from: &position) {
        let next = pass(on: place, in: bytes, at: now)
        if !isRunning { return next }
        if next != .nothing { action = next }
      }
    } catch {
      return fail(malformed(error), at: now)
    }
    return action
  }

  /// Nothing more comes from the provider.
  public mutating func upstreamEnded(_ end: UpstreamEnd, at now: Instant) -> Action {
    guard isRunning else { return .nothing }
    switch end {
    case .complete: return bodyEnded(at: now)
    case .brokenOff where reply.isRefusal: return bodyEnded(at: now)
    // Without even a head it is as if there had been no connection.
    case .brokenOff where !reply.hasHead:
      return failAttempt(truncated("broke off"), .transient(wish: nil), at: now)
    case .brokenOff: return fail(truncated("broke off"), at: now)
    case .noResponse: return fail(malformed(ReplyReader.Malformed(what: "something that is no HTTP response")), at: now)
    case .noDescriptor:
      return fail(
        Failure(.overloaded, "the server has no descriptor left for another stream; ask again", retryAfter: 1), at: now)
    case .unreachable(let why):
      var failure = Failure(.upstreamUnreachable, "\(speaker.provider) cannot be reached: \(why)")
      failure.cause = why
      return failAttempt(failure, .transient(wish: nil), at: now)
    case .connectTimedOut:
      let why = "no connection in time"
      var failure = Failure(.upstreamUnreachable, status: 504, "\(speaker.provider) cannot be reached: \(why)")
      failure.cause = why
      return failAttempt(failure, .transient(wish: nil), at: now)
    }
  }

  /// The body has ended as HTTP says it must; whether the answer has is another matter.
  private mutating func bodyEnded(at now: Instant) -> Action {
    let nothing: [UInt8] = []
    do throws(ReplyReader.Malformed) {
      while let place = try reply.finish() {
        let action = pass(on: place, in: nothing.span, at: now)
        if !isRunning { return action }
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
      return passDeltas(in: input.extracting(range), at: now)
    // A copy of the reader (not of its bytes) is read while the rest of this changes.
    case .carried(let range):
      let reply = reply
      return passDeltas(in: reply.carriedBytes.extracting(range), at: now)
    case .collected(let range):
      let reply = reply
      return passDeltas(in: reply.collectedBytes.extracting(range), at: now)
    }
  }

  private mutating func passDeltas(in data: Span<UInt8>, at now: Instant) -> Action {
    if let piece = reply.piece { return passPiece(piece, in: data, at: now) }
    var action = Action.nothing
    for delta in reply.deltas {
      let next = pass(on: delta, in: data, at: now)
      if !isRunning { return next }
      if next != .nothing { action = next }
    }
    return action
  }

  private mutating func pass(on delta: Delta, in data: Span<UInt8>, at now: Instant) -> Action {
    switch delta {
    case .text(let literal): return passPiece(.text(literal), in: data, at: now)
    case .reasoning(let literal): return passPiece(.reasoning(literal), in: data, at: now)
    case .refusal(let literal):
      beginToken(at: now)
      writer.refusal(data.extracting(literal.range), to: &buffer.storage)
    case .toolCall(let fragment):
      hasToolCalls = true
      beginOutput(at: now)
      writer.toolCall(fragment, in: data, to: &buffer.storage)
    case .finish(let reason):
      finishReason = reason
      return .nothing
    case .usage(let report):
      usage = report
      return .nothing
    case .failure(let failure):
      return failAttempt(Failure(failure, of: speaker.provider, secrets: speaker.secrets), Verdict(failure), at: now)
    case .end: return finish(at: now)
    }
    return endPiece(at: now)
  }

  private mutating func passPiece(_ piece: Piece, in data: Span<UInt8>, at now: Instant) -> Action {
    switch piece {
    case .text(let literal):
      beginToken(at: now)
      writer.text(data.extracting(literal.range), to: &buffer.storage)
    case .reasoning(let literal):
      beginOutput(at: now)
      writer.reasoning(data.extracting(literal.range), to: &buffer.storage)
    }
    return endPiece(at: now)
  }

  private mutating func endPiece(at now: Instant) -> Action {
    buffer.endToken()
    guard form.isWhole else { return .send }
    guard writer.collectedBytes <= ReplyReader.wholeBound else {
      let remedy = "send \"stream\": true for it, or a lower max_tokens"
      var failure = Failure(.upstreamFailed, "the answer is longer than \(ReplyReader.wholeBound) bytes; \(remedy)")
      failure.isRetryable = false
      return fail(failure, at: now)
    }
    return .nothing
  }

  // MARK: Endings

  private mutating func finish(at now: Instant) -> Action {
    let reason = finishReason ?? (hasToolCalls ? .toolCalls : .stop)
    let completion = Completion(
      model: speaker.model, finishReason: reason, usage: usage,
      cost: usage.flatMap { usage in speaker.price.map { $0.cost(of: usage) } },
      firstToken: firstTokenMilliseconds, duration: milliseconds(at: now), skipped: reply.skipped)
    deadlines.outputWritten(at: now)
    sendHead()
    writer.done(completion, to: &buffer.storage)
    return end(.done(reason))
  }

  /// Ends it with a failure: by the status line where that is still held, else by an event.
  /// - Parameter speaker: whose failure it is; nil: that of who was asked last, or ours.
  public mutating func fail(_ failure: Failure, of speaker: Speaker? = nil, at now: Instant) -> Action {
    guard !isOver else { return .nothing }
    if let speaker, speaker.model != self.speaker.model {
      // What another one has counted is not at this one's price.
      (self.speaker, usage) = (speaker, nil)
    }
    if status == 0 {
      status = failure.status
      var header = writer.failureForm.header(failure)
      header.fields += subject.fields
      header.write(to: &buffer.storage)
      buffer.storage.append(contentsOf: writer.failureForm.body(failure))
    } else {
      writer.error(failure, to: &buffer.storage)
    }
    return end(.failed(failure))
  }

  /// The client is gone; there is nobody to tell. A complete answer that it has not taken is none.
  public mutating func clientLeft() {
    switch stage {
    case .over(.done) where !buffer.isEmpty: stage = .over(.clientLeft)
    case .over: break
    default: stage = .over(.clientLeft)
    }
  }

  private mutating func end(_ outcome: Outcome) -> Action {
    stage = .over(outcome)
    return .finish
  }

  /// A piece of visible text, refusals among them.
  private mutating func beginToken(at now: Instant) {
    if firstTokenAt == nil { firstTokenAt = now }
    tokenCount += 1
    beginOutput(at: now)
  }

  private mutating func beginOutput(at now: Instant) {
    deadlines.outputWritten(at: now)
    if !form.isWhole { sendHead() }
  }

  private mutating func sendHead() {
    guard status == 0 else { return }
    status = 200
    var header = writer.header
    header.fields += subject.fields
    header.write(to: &buffer.storage)
  }

  private func malformed(_ error: ReplyReader.Malformed) -> Failure {
    Failure(.upstreamMalformed, "\(speaker.provider) sent \(error.what); what followed is lost")
  }

  private func truncated(_ what: String) -> Failure {
    Failure(.upstreamTruncated, "\(speaker.provider) \(what) before the end of its answer; ask again")
  }

  // MARK: The client

  private var hasBurst: Bool { isRunning && (buffer.count >= Self.burstBytes || buffer.isAtMark) }

  /// Has what waits sent.
  /// - Parameters:
  ///   - room: gets back what the buffer has borrowed, if nothing waits any more.
  ///   - connection: sends the front of what waits, as far as the client takes it, and tells how much that is;
  ///     `isEnded`: nothing will follow.
  /// - Returns: the state that `connection` returns, whether the provider must be paused or may be resumed, and
  ///   `hasEarlierDeadline`.
  public mutating func send<State>(
    returning room: inout [UInt8], at now: Instant,
    through connection: (_ waiting: Span<UInt8>, _ isEnded: Bool) -> (taken: Int, state: State)
  ) -> (state: State, change: BackpressureBuffer.Change?, hasEarlierDeadline: Bool) {
    let (taken, state) = connection(buffer.waiting, isOver)
    buffer.take(taken)
    // What is left, if anything, waits since now.
    deadlines.clientTook(some: taken > 0, rest: !buffer.isEmpty, at: now)
    let change = buffer.change()
    if change == .resume { deadlines.providerResumed(at: now) }
    buffer.giveBack(&room)
    return (state, change, hasEarlierDeadline)
  }

  // MARK: Clocks

  /// Does what is due by now.
  public mutating func tick(at now: Instant) -> Action {
    guard let (due, at) = nextDeadline, at <= now else { return .nothing }
    let clocks = deadlines.clocks
    switch due {
    case .clientStall:
      stage = .over(.clientStalled)
      return .abandon
    case .total: return fail(timeout(.timeoutTotal, clocks.total, "did not finish its answer"), at: now)
    case .firstToken:
      let failure = timeout(.timeoutFirstToken, clocks.firstToken, "said nothing")
      return failAttempt(failure, .transient(wish: nil), at: now)
    case .idle: return fail(timeout(.timeoutIdle, clocks.idle, "fell silent in its answer"), at: now)
    case .ping:
      deadlines.pingWritten(at: now)
      sendHead()
      writer.ping(to: &buffer.storage)
      return .send
    case .attempt: return .attemptDue
    case .turn:
      return fail(Failure(.overloaded, "no stream has ended in time to make room; ask again", retryAfter: 1), at: now)
    }
  }

  /// When `tick` has something to do at the earliest, as things stand; nil: never. Most of the time it only moves back,
  /// so it needs to be asked for only after each `tick`, and when `send` says so.
  public mutating func takeDeadline() -> Instant? {
    deadlines.hasEarlier = false
    return nextDeadline?.at
  }

  /// A clock has started that may end before the deadline that was last taken.
  var hasEarlierDeadline: Bool { deadlines.hasEarlier }

  private var nextDeadline: (due: Deadlines.Due, at: Instant)? {
    deadlines.next(
      isHeld: status == 0, isPaused: buffer.isPaused, isOver: isOver, mayPing: !form.isWhole)
  }

  private func timeout(_ kind: Failure.Kind, _ limit: Duration, _ what: String) -> Failure {
    Failure(kind, "\(speaker.provider) \(what) within \(limit.nanoseconds / 1_000_000) ms; ask again")
  }
}
