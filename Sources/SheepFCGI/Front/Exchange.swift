import Streaming

/// One generation on its way: it owns the attempts, the call to the provider and, in its lifecycle, the buffer of what
/// the client has not taken yet. It and its connection know each other only as long as the answer lasts. Bound to its
/// worker's thread.
final class Exchange: UpstreamListener {
  private(set) var plan: StreamPlan
  private(set) var lifecycle: Lifecycle
  /// Calls to providers so far.
  var callCount: Int { choice.callCount }
  /// Bytes of the answer that the web server has taken.
  var sentBytes: Int { lifecycle.buffer.takenInAll }
  /// For how long it waited for a slot; nil: it did not.
  private(set) var queuedMilliseconds: Int?

  /// What `settle` has to do.
  private enum Due {
    case nothing
    /// Most of the time: a token waits, and nothing else has come about.
    case sending
    case everything
  }

  private var choice: TargetChoice
  private let worker: Worker
  private var connection: Connection?
  private var call: UpstreamCall?
  private var timer: Timer?
  private var due = Due.nothing
  /// See `Worker.settle`.
  var nextUnsettled: Exchange?
  /// The attempt that runs has said something, or ended well.
  private var hasSucceeded = false
  private var isOver = false
  /// Whether somebody may be asked.
  private var hasTurn: Bool
  /// An attempt runs, and where it fails the provider has.
  private var isAttempting = false
  /// Unchecked: nothing that it calls gets at it again.
  @exclusivity(unchecked) private var count: ExchangeCount

  /// - Parameter waits: nobody is to be asked before `takeTurn`.
  init(_ plan: StreamPlan, for connection: Connection, on worker: Worker, waits: Bool) {
    self.plan = plan
    self.connection = connection
    self.worker = worker
    let now = worker.now
    hasTurn = !waits
    choice = TargetChoice(of: plan.targets, on: worker, isProvisional: waits)
    count = ExchangeCount(of: plan.targets, asking: choice.place, at: now)
    let target = choice.current
    lifecycle = Lifecycle(
      subject: Lifecycle.Subject(requestID: plan.context.id, fields: plan.context.fields), form: plan.form,
      clocks: worker.clocks, mark: plan.mark, lineBound: worker.settings.limits.lineBytes,
      asking: target.speaker, on: target.wire, at: now, wallClock: Int(Clock.wall()))
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
    choice = TargetChoice(of: plan.targets, on: worker)
    hasTurn = true
    count = ExchangeCount(of: plan.targets, asking: choice.place, at: worker.now)
    beginAttempt()
  }

  /// It waited for a slot in vain.
  func queued(since: Instant) {
    queuedMilliseconds = since.milliseconds(to: worker.now)
  }

  // MARK: Attempts

  /// Calls the provider whose turn it is.
  private func beginCall() {
    let place = choice.place
    do throws(Failure) {
      let request = try plan.takeRequest(for: place)
      let endpoint = choice.current.endpoint
      let call = UpstreamCall(
        request, to: endpoint, key: choice.takeKey(), connectTimeout: worker.settings.timeouts.connect, listener: self)
      self.call = call
      isAttempting = true
      endpoint.gate.pass(call, at: worker.now)
    } catch {
      follow(choice.refused(error, for: plan.context.id), after: place)
    }
  }

  /// An attempt has failed before any output: another follows, or the client is told.
  private func attemptFailed(_ failure: Failure, _ verdict: Verdict) {
    releaseUpstream()
    worker.tally.attemptFailed(failure.kind, of: choice.current.endpoint.provider.name)
    let place = choice.place
    follow(choice.failed(failure, verdict, for: plan.context.id), after: place)
  }

  private func follow(_ next: TargetChoice.Next, after place: Int) {
    isAttempting = false
    let now = worker.now
    switch next {
    case .tell(let failure, let speaker): act(lifecycle.fail(failure, of: speaker, at: now))
    case .attempt(let wait):
      noteTurn(from: place)
      guard wait > .zero else { return beginAttempt() }
      lifecycle.wait(until: now + wait)
      reschedule()
    }
  }

  private func beginAttempt() {
    let target = choice.current
    lifecycle.begin(asking: target.speaker, on: target.wire, at: worker.now)
    reschedule()
    beginCall()
  }

  /// Another attempt follows, on the same model or the next.
  private func noteTurn(from place: Int) {
    guard choice.place != place else { return count.retried() }
    noteProgress()
    count.fellBack(to: choice.current.tally)
  }

  private func noteSuccess() {
    guard !hasSucceeded else { return }
    hasSucceeded = true
    plan.forgetDraft()
    choice.noteLife()
  }

  // MARK: The provider

  func upstreamAnswered(_ head: ResponseHead) {
    lifecycle.receive(head: head)
  }

  /// From within libcurl: what follows from it waits until `settle`.
  func upstreamSent(_ bytes: Span<UInt8>) {
    let now = worker.now
    var room = worker.takeRoom()
    let heard = lifecycle.receive(bytes, into: &room, at: now)
    worker.putBack(room)
    count.received(bytes: bytes.count, tokens: heard.tokens, startedAt: heard.startedAt, at: now)
    act(heard.action)
    // libcurl 7.88 reads on as long as its socket has more, a hundred times before it returns: a burst's first bytes
    // would wait for its last, and the pause would come a megabyte late.
    if heard.isBurst { sendBuffer(inRead: true) }
  }

  func upstreamEnded(_ end: Lifecycle.UpstreamEnd) {
    call = nil
    if end == .noDescriptor { isAttempting = false }
    let tokensBefore = lifecycle.tokenCount
    let action = lifecycle.upstreamEnded(end, at: worker.now)
    // A last event without its blank line.
    let tokens = lifecycle.tokenCount - tokensBefore
    count.received(bytes: 0, tokens: tokens, startedAt: lifecycle.startedAt, at: worker.now)
    act(action)
  }

  /// Ends it for a reason that is not the provider's.
  func fail(_ failure: Failure) {
    isAttempting = false
    act(lifecycle.fail(failure, at: worker.now))
  }

  private func act(_ action: Lifecycle.Action) {
    guard action != .nothing else { return }
    if due == .nothing { worker.addUnsettled(self) }
    due = action == .send && hasSucceeded && due != .everything ? .sending : .everything
  }

  /// Carries out what the last steps came to: the provider let go if it is no longer needed, the buffer sent, the
  /// provider paused or resumed.
  func settle() {
    let onlySends = due == .sending
    due = .nothing
    if onlySends { return sendBuffer() }
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
    var room = worker.takeRoom()
    let sent = lifecycle.send(returning: &room, at: worker.now) { connection.send($0, isEnded: $1) }
    worker.putBack(room)
    switch sent.state {
    case .broken where inRead: return act(.send)
    case .broken: return connection.lost()
    case .ended: return connection.answerEnded()
    case .idle, .blocked: break
    }
    switch sent.change {
    case .pause?: call?.pause()
    case .resume?: call?.resume()
    case nil: break
    }
    if sent.hasEarlierDeadline { reschedule() }
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

  /// Counts what has come about since the last time.
  func noteProgress() {
    count.progress(of: lifecycle, at: worker.now)
  }

  private func countEnd() {
    count.end(of: lifecycle, hadTurn: hasTurn, at: worker.now)
    if case .failed(let failure)? = lifecycle.outcome, let limit = failure.limit { worker.tally.refused(limit) }
    if isAttempting, case .failed(let failure)? = lifecycle.outcome {
      worker.tally.attemptFailed(failure.kind, of: choice.current.endpoint.provider.name)
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
