import Streaming

/// One generation on its way: it owns the attempts, the call to the provider and, in its lifecycle, the buffer of what
/// the client has not taken yet. It and its connection know each other only as long as the answer lasts. Bound to its
/// worker's thread.
final class Exchange: UpstreamListener {
  private(set) var plan: StreamPlan
  private(set) var lifecycle: Lifecycle
  /// Calls to providers so far.
  private(set) var callCount = 0
  /// Bytes of the answer that the web server has taken.
  var sentBytes: Int { lifecycle.buffer.takenInAll }
  /// For how long it waited for a slot; nil: it did not.
  private(set) var queuedMilliseconds: Int?

  /// What the client would be told. A class, as most exchanges have none.
  private final class Told {
    let failure: Failure
    let speaker: Lifecycle.Speaker

    init(_ failure: Failure, of speaker: Lifecycle.Speaker) {
      self.failure = failure
      self.speaker = speaker
    }
  }

  /// So much of a burst goes out before the rest of it is read.
  private static let burstBytes = 16 << 10

  private var attempts: Attempts
  private let worker: Worker
  private var connection: Connection?
  private var call: UpstreamCall?
  /// Which of the provider's keys the attempt uses.
  private var key: Int?
  private var timer: Timer?
  /// Something waits to be done at the end of the loop's step; see `Worker.settle`.
  private var isUnsettled = false
  /// What the client is told when no attempt is left.
  private var told: Told?
  /// The attempt that runs has said something, or ended well.
  private var hasSucceeded = false
  private var isOver = false
  /// Whether somebody may be asked.
  private var hasTurn: Bool
  /// An attempt runs, and where it fails the provider has.
  private var isAttempting = false
  /// That of the model that is being asked. Unchecked, as `lastTokenAt` is: nothing that is called for a token while one
  /// of them changes gets at it again.
  @exclusivity(unchecked) private var tally: ModelTally
  /// Of the last token; before the first, `past`.
  @exclusivity(unchecked) private var lastTokenAt = Instant.past
  /// What `noteProgress` has counted so far.
  private var noted: (sentBytes: Int, heldUp: Int64, at: Instant)

  /// - Parameter waits: nobody is to be asked before `takeTurn`.
  init(_ plan: StreamPlan, for connection: Connection, on worker: Worker, waits: Bool) {
    self.plan = plan
    self.connection = connection
    self.worker = worker
    let settings = worker.settings
    let now = worker.now
    hasTurn = !waits
    // Who is admitted by a breaker is expected to ask.
    attempts =
      waits
      ? Attempts(settings.retry.policy, models: plan.targets.count) { _ in true } : Self.attempts(of: plan, on: worker)
    let target = plan.targets[attempts.current]
    tally = target.tally
    noted = (0, 0, now)
    if attempts.current > 0 { plan.targets[0].tally.figures.fallbacks += 1 }
    lifecycle = Lifecycle(
      subject: Lifecycle.Subject(requestID: plan.context.id, fields: plan.context.fields), form: plan.form,
      clocks: worker.clocks, mark: plan.mark, lineBound: settings.limits.lineBytes,
      asking: target.speaker, on: target.wire, at: now, wallClock: Int(Clock.wall()))
  }

  private static func attempts(of plan: StreamPlan, on worker: Worker) -> Attempts {
    Attempts(worker.settings.retry.policy, models: plan.targets.count) {
      plan.targets[$0].endpoint.standing.admit(at: worker.now)
    }
  }

  func start() {
    let timer = Timer { [unowned self] now in tick(at: now) }
    self.timer = timer
    guard !worker.antechamber.receive(self) else { return }
    reschedule()
    beginCall()
  }

  // MARK: Before its turn

  /// Asks nobody for now. The client is kept alive meanwhile.
  /// - Parameter due: when its turn must have come.
  func wait(until due: Instant) {
    lifecycle.waitForTurn(until: due)
    reschedule()
  }

  func tellPlace(_ place: Int) {
    act(lifecycle.tellPlace(place, at: worker.now))
  }

  /// It has a slot, and nothing stands in its way any more.
  /// - Parameter queued: since when it waited for the slot; nil: it did not.
  func takeTurn(queuedSince queued: Instant?) {
    queuedMilliseconds = queued.map { $0.milliseconds(to: worker.now) }
    lifecycle.takeTurn(at: worker.now)
    attempts = Self.attempts(of: plan, on: worker)
    hasTurn = true
    tally = target.tally
    noted.at = worker.now
    if attempts.current > 0 { plan.targets[0].tally.figures.fallbacks += 1 }
    beginAttempt()
  }

  /// It waited for a slot in vain.
  func queued(since: Instant) {
    queuedMilliseconds = since.milliseconds(to: worker.now)
  }

  // MARK: Attempts

  private var target: Target { plan.targets[attempts.current] }

  /// Calls the provider whose turn it is.
  private func beginCall() {
    key = nil
    do throws(Failure) {
      let request = try plan.takeRequest(for: attempts.current)
      let endpoint = target.endpoint
      key = endpoint.standing.takeKey(at: worker.now)
      let call = UpstreamCall(
        request, to: endpoint, key: key, connectTimeout: worker.settings.timeouts.connect, listener: self)
      self.call = call
      callCount += 1
      isAttempting = true
      endpoint.gate.pass(call, at: worker.now)
    } catch {
      follow(error, .refused, hasFreshKey: false)
    }
  }

  /// An attempt has failed before any output: another follows, or the client is told.
  private func attemptFailed(_ failure: Failure, _ verdict: Verdict) {
    releaseUpstream()
    worker.tally.attemptFailed(failure.kind, of: target.endpoint.provider.name)
    guard !verdict.showsLife else {
      noteLife()
      return follow(failure, verdict, hasFreshKey: false)
    }
    let (hasFreshKey, isLeftOut) = target.endpoint.standing.failed(verdict, key: key, at: worker.now)
    if isLeftOut, plan.targets.count > 1 {
      let what = "\(target.endpoint.provider.name) is left out for \(Breaker.openTime)"
      worker.log.warning("\(what): \(Breaker.threshold) attempts have failed in a row")
    }
    follow(failure, verdict, hasFreshKey: hasFreshKey)
  }

  private func noteLife() {
    guard target.endpoint.standing.succeeded(), plan.targets.count > 1 else { return }
    worker.log.notice("\(target.endpoint.provider.name) answers again and is no longer left out")
  }

  private func follow(_ failure: Failure, _ verdict: Verdict, hasFreshKey: Bool) {
    isAttempting = false
    let told = failureToTell(failure)
    self.told = told
    let now = worker.now
    let ofKey = target.endpoint.standing.keys.count > 1 ? key.map { " with key \($0 + 1)" } ?? "" : ""
    let cause = failure.cause.map { " (\($0))" } ?? ""
    let failed = "\(lifecycle.speaker.model)\(ofKey) failed with \(failure.kind.rawValue)\(cause)"
    let failedModel = attempts.current
    let next = attempts.next(after: verdict, hasFreshKey: hasFreshKey, jitter: .random(in: 0..<1)) {
      plan.targets[$0].endpoint.standing.admit(at: now)
    }
    switch next {
    case .giveUp:
      if callCount > 1 { worker.log.notice("\(failed); no attempt is left for request \(plan.context.id)") }
      act(lifecycle.fail(told.failure, of: told.speaker, at: now))
    case .attempt(let wait):
      noteTurn(from: failedModel)
      let then = "asking \(target.speaker.model) in \(wait.nanoseconds / 1_000_000) ms"
      worker.log.notice("\(failed); \(then), attempt \(callCount + 1) of request \(plan.context.id)")
      if wait > .zero {
        lifecycle.wait(until: now + wait)
        reschedule()
      } else {
        beginAttempt()
      }
    }
  }

  /// What a fallback refuses must not make a passing failure of the model that was asked for look final.
  private func failureToTell(_ failure: Failure) -> Told {
    if let told, !failure.isRetryable, told.failure.isRetryable || attempts.current > 0 { return told }
    return Told(failure, of: lifecycle.speaker)
  }

  private func beginAttempt() {
    lifecycle.begin(asking: target.speaker, on: target.wire, at: worker.now)
    reschedule()
    beginCall()
  }

  /// Another attempt follows, on the same model or the next.
  private func noteTurn(from model: Int) {
    if attempts.current == model {
      tally.figures.retries += 1
    } else {
      noteProgress()
      tally.figures.fallbacks += 1
      tally = target.tally
    }
  }

  private func noteSuccess() {
    guard !hasSucceeded else { return }
    hasSucceeded = true
    plan.forgetDraft()
    noteLife()
  }

  // MARK: The provider

  func upstreamAnswered(_ head: ResponseHead) {
    lifecycle.receive(head: head)
  }

  /// From within libcurl: what follows from it waits until `settle`.
  func upstreamSent(_ bytes: Span<UInt8>) {
    let now = worker.now
    lifecycle.buffer.borrow(&worker.spareBuffer)
    let (action, tokens) = lifecycle.receive(bytes, at: now)
    tally.figures.receivedBytes += bytes.count
    if tokens > 0 { note(tokens, at: now) }
    // Comments and halves of events write nothing, so nothing will be settled.
    guard action != .nothing else { return lifecycle.buffer.giveBack(&worker.spareBuffer) }
    act(action)
    // libcurl 7.88 reads on as long as its socket has more, a hundred times before it returns: a burst's first bytes
    // would wait for its last, and the pause would come a megabyte late.
    if lifecycle.hasBurst(of: Self.burstBytes) { sendBuffer(inRead: true) }
  }

  func upstreamEnded(_ end: Lifecycle.UpstreamEnd) {
    call = nil
    if end == .noDescriptor { isAttempting = false }
    let tokensBefore = lifecycle.tokenCount
    let action = lifecycle.upstreamEnded(end, at: worker.now)
    // A last event without its blank line.
    let tokens = lifecycle.tokenCount - tokensBefore
    if tokens > 0 { note(tokens, at: worker.now) }
    act(action)
  }

  /// Ends it for a reason that is not the provider's.
  func fail(_ failure: Failure) {
    isAttempting = false
    act(lifecycle.fail(failure, at: worker.now))
  }

  private func act(_ action: Lifecycle.Action) {
    guard action != .nothing, !isUnsettled else { return }
    isUnsettled = true
    worker.unsettled.append(self)
  }

  /// Carries out what the last steps came to: the provider let go if it is no longer needed, the buffer sent, the
  /// provider paused or resumed.
  func settle() {
    isUnsettled = false
    // Most of the time, a token.
    if hasSucceeded, lifecycle.isRunning { return sendBuffer() }
    guard !isOver else { return }
    if let (failure, verdict) = lifecycle.failedAttempt {
      attemptFailed(failure, verdict)
    } else if lifecycle.hasOutput {
      noteSuccess()
    }
    if lifecycle.isOver {
      worker.antechamber.leave(self)
      releaseUpstream()
    }
    sendBuffer()
  }

  /// The provider has said its last word, so its connection may be read to the end and used again; any other end of the
  /// exchange breaks it off.
  private func releaseUpstream() {
    guard let call else { return }
    self.call = nil
    call.listener = nil
    if case .done? = lifecycle.outcome {
      call.resume()
      worker.upstream.linger(call, at: worker.now)
    } else {
      worker.upstream.cancel(call)
    }
  }

  // MARK: The client

  /// Sends what waits, as far as the connection takes it.
  /// - Parameter inRead: libcurl is on the stack, so the end of the exchange must wait for `settle`.
  func sendBuffer(inRead: Bool = false) {
    guard !isOver, let connection else { return }
    let sent = connection.send(lifecycle.buffer.waiting, isEnded: lifecycle.isOver)
    let (change, hasEarlierDeadline) = lifecycle.clientTook(sent.taken, at: worker.now)
    lifecycle.buffer.giveBack(&worker.spareBuffer)
    switch sent.state {
    case .broken where inRead: return act(.send)
    case .broken: return connection.lost()
    case .ended: return connection.answerEnded()
    case .idle, .blocked: break
    }
    switch change {
    case .pause?: call?.pause()
    case .resume?: call?.resume()
    case nil: break
    }
    if hasEarlierDeadline { reschedule() }
  }

  /// The web server closed the connection, or calls the request off: the provider learns of it in this turn.
  func clientLeft() {
    lifecycle.clientLeft()
    over()
  }

  /// The last byte is with the web server.
  func answered() {
    over()
  }

  private func over() {
    guard !isOver else { return }
    isOver = true
    connection = nil
    releaseUpstream()
    if let timer { worker.timers.cancel(timer) }
    timer = nil
    countEnd()
    worker.exchangeEnded(self)
  }

  // MARK: Counting

  /// Tokens have come, at least one, all of them in one read.
  @inline(__always)
  private func note(_ tokens: Int, at now: Instant) {
    if lastTokenAt > .past {
      tally.figures.recordTokens(tokens, after: now.nanoseconds - lastTokenAt.nanoseconds)
    } else {
      tally.figures.recordFirstTokens(tokens, after: now.nanoseconds - lifecycle.startedAt.nanoseconds)
    }
    lastTokenAt = now
  }

  /// Counts what has come about since the last time, so that figures do not wait for a stream's end.
  func noteProgress() {
    let (now, sent) = (worker.now, sentBytes)
    let heldUp = lifecycle.heldUp(at: now)
    let waited = now.nanoseconds - noted.at.nanoseconds - (heldUp - noted.heldUp)
    tally.figures.sentBytes += sent - noted.sentBytes
    tally.figures.waitedForClient += heldUp - noted.heldUp
    tally.figures.waitedForProvider += waited
    noted = (sent, heldUp, now)
  }

  private func countEnd() {
    // Until its turn it waited for neither of them.
    if !hasTurn { noted.at = worker.now }
    noteProgress()
    tally.ended(lifecycle, at: worker.now)
    if case .failed(let failure)? = lifecycle.outcome, let limit = failure.limit { worker.tally.refused(limit) }
    if isAttempting, case .failed(let failure)? = lifecycle.outcome {
      worker.tally.attemptFailed(failure.kind, of: target.endpoint.provider.name)
    }
  }

  // MARK: Clocks

  private func tick(at now: Instant) {
    let action = lifecycle.tick(at: now)
    if action == .abandon {
      connection?.lost()
      return
    }
    guard action != .attemptDue else { return beginAttempt() }
    act(action)
    reschedule()
  }

  private func reschedule() {
    guard let timer, let deadline = lifecycle.takeDeadline() else { return }
    worker.timers.schedule(timer, at: deadline)
  }
}

extension Lifecycle.Clocks {
  convenience init(_ timeouts: Settings.Timeouts) {
    self.init(
      firstToken: timeouts.firstToken, idle: timeouts.idle, total: timeouts.total, clientStall: timeouts.clientStall,
      ping: timeouts.ping, hold: timeouts.hold)
  }
}

extension Settings.Retry {
  fileprivate var policy: Attempts.Policy { Attempts.Policy(attempts: attempts, backoff: backoff, maxWait: maxWait) }
}
