import Streaming

/// One generation on its way: it owns the call to the provider and, in its lifecycle, the buffer of what the client has
/// not taken yet. It and its connection know each other only as long as the answer lasts. Bound to its worker's thread.
final class Exchange {
  private(set) var plan: StreamPlan
  private(set) var lifecycle: Lifecycle

  private let worker: Worker
  private var connection: Connection?
  private var call: UpstreamCall?
  private var timer: Timer?
  /// Something waits to be done at the end of the loop's step; see `Worker.settle`.
  private var isUnsettled = false
  private var isOver = false

  init(_ plan: StreamPlan, for connection: Connection, on worker: Worker) {
    self.plan = plan
    self.connection = connection
    self.worker = worker
    let settings = worker.settings
    lifecycle = Lifecycle(
      subject: plan.subject, clocks: Lifecycle.Clocks(settings.timeouts), mark: plan.mark,
      lineBound: settings.limits.lineBytes, decoder: plan.provider.wire.makeDecoder(), at: worker.now)
  }

  func start() {
    let timer = Timer { [unowned self] now in tick(at: now) }
    self.timer = timer
    reschedule()
    let endpoint = worker.endpoint(of: plan.provider)
    let call = UpstreamCall(
      plan.takeRequest(), to: endpoint, connectTimeout: worker.settings.timeouts.connect, exchange: self)
    self.call = call
    endpoint.gate.pass(call, at: worker.now)
  }

  // MARK: The provider

  func upstreamAnswered(_ head: ResponseHead) {
    lifecycle.receive(head: head)
  }

  /// From within libcurl: what follows from it waits until `settle`.
  func upstreamSent(_ bytes: Span<UInt8>) {
    act(lifecycle.receive(bytes, at: worker.now))
    // libcurl 7.88 reads on as long as its socket has more, a hundred times before it returns: a burst's first bytes
    // would wait for its last, and the pause would come a megabyte late.
    guard lifecycle.outcome == nil else { return }
    if lifecycle.buffer.isAtMark || lifecycle.buffer.count >= UpstreamCall.receiveBufferBytes {
      sendBuffer(inRead: true)
    }
  }

  func upstreamEnded(_ end: Lifecycle.UpstreamEnd) {
    call = nil
    act(lifecycle.upstreamEnded(end, at: worker.now))
  }

  func fail(_ failure: Failure) {
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
    guard !isOver else { return }
    if lifecycle.outcome != nil { releaseUpstream() }
    sendBuffer()
  }

  /// The provider has said its last word, so its connection may be read to the end and used again; any other end of the
  /// exchange breaks it off.
  private func releaseUpstream() {
    guard let call else { return }
    self.call = nil
    call.exchange = nil
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
    let isEnded = lifecycle.outcome != nil
    let result = connection.send(lifecycle.buffer.waiting, isEnded: isEnded)
    lifecycle.clientTook(result.taken, at: worker.now)
    switch result.state {
    case .broken where inRead: return act(.send)
    case .broken: return connection.lost()
    case .ended: return connection.answerEnded()
    case .idle, .blocked: break
    }
    switch lifecycle.buffer.change() {
    case .pause?: call?.pause()
    case .resume?:
      lifecycle.upstreamResumed(at: worker.now)
      call?.resume()
    case nil: break
    }
    if lifecycle.hasEarlierDeadline { reschedule() }
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
    worker.exchangeEnded(self)
  }

  // MARK: Clocks

  private func tick(at now: Instant) {
    let action = lifecycle.tick(at: now)
    if action == .abandon {
      connection?.lost()
      return
    }
    act(action)
    reschedule()
  }

  private func reschedule() {
    guard let timer, let deadline = lifecycle.takeDeadline() else { return }
    worker.timers.schedule(timer, at: deadline)
  }
}

extension Lifecycle.Clocks {
  init(_ timeouts: Settings.Timeouts) {
    self.init(
      firstToken: timeouts.firstToken, idle: timeouts.idle, total: timeouts.total, clientStall: timeouts.clientStall,
      ping: timeouts.ping, hold: timeouts.hold)
  }
}
