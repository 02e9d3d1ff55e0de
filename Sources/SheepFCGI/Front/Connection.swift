import Streaming

/// One socket from the web server: FastCGI or SCGI requests, one after another. Bound to its worker's thread.
final class Connection {
  enum SendState: Equatable {
    /// All is gone, and more may follow.
    case idle
    /// The socket takes no more for now.
    case blocked
    /// The answer's last byte is gone.
    case ended
    case broken
  }

  private enum Answer {
    case none
    /// A generation.
    case exchange(Exchange)
    /// Bytes that are all there.
    case complete([UInt8], taken: Int)
    /// Somebody else is being asked; what calls the question off.
    case awaited(callOff: () -> Void)
  }

  /// A peer that asks for more management answers than it reads is up to no good.
  private static let replyBound = 16 << 10
  /// Reads in a turn of the loop: a peer that never stops sending must not keep it from the others.
  private static let readBound = 16

  let socket: StreamSocket
  let openedAt: Instant
  /// Whether a whole request has come.
  private(set) var hasAsked = false
  private let worker: Worker
  private var parser: GatewayParser
  private var outlet = Outlet()
  private var answer = Answer.none
  /// Input that must wait for the running request's end.
  private var heldBack: [UInt8] = []
  private var isConsuming = false
  private var interest: Poller<Worker.Source>.Interest = .read
  private var closesWhenSent = false
  private var isClosed = false
  private var timer: Timer?
  private var deadlineIsForRequest = false

  init(_ descriptor: consuming Descriptor, on worker: Worker) {
    socket = StreamSocket(descriptor: descriptor)
    self.worker = worker
    openedAt = worker.now
    parser = GatewayParser(bounds: worker.requestBounds, capacity: worker.streamBound)
    timer = Timer { [unowned self] _ in timedOut() }
    scheduleTimer()
  }

  var raw: Int32 { socket.descriptor.raw }
  /// Whether a byte has come.
  var hasSpoken: Bool { parser.hasBegun }
  var isAnswering: Bool { if case .none = answer { false } else { true } }

  // MARK: Events

  func ready(_ readiness: Poller<Worker.Source>.Readiness) {
    if readiness.canRead || readiness.isHangup { read(isHangup: readiness.isHangup) }
    guard readiness.canWrite, !isClosed else { return }
    outlet.socketTakesMore()
    sendMore()
  }

  private func read(isHangup: Bool) {
    for _ in 0..<Self.readBound where !isClosed {
      // Input that is held back stays with the kernel; the peer's leaving is all that counts now.
      if parser.isHeldBack {
        if isHangup { lost() }
        return
      }
      switch worker.read(socket, consume) {
      case .bytes(let count):
        if count < worker.readBytes, !isHangup { return scheduleTimer() }
      case .blocked: return scheduleTimer()
      case .ended, .broken: return lost()
      }
    }
    scheduleTimer()
  }

  private func consume(_ input: Span<UInt8>) {
    var position = 0
    isConsuming = true
    while !isClosed, let action = parser.consume(input, from: &position) { carryOut(action) }
    isConsuming = false
    guard !isClosed else { return }
    if position < input.count { heldBack.append(input.extracting(position..<input.count)) }
    watch()
  }

  private func carryOut(_ action: GatewayAction) {
    switch action {
    case .request(let request):
      hasAsked = true
      worker.router.handle(request, from: self)
    case .reply, .replyAndClose:
      parser.takeReplies(into: &outlet.replies)
      if action.endsConnection, !isAnswering { closesWhenSent = true }
      guard outlet.replies.count <= Self.replyBound else { return close(because: "it reads no answers") }
      sendMore()
    case .abort:
      abandon(answer)
      // A record that is half sent can only be ended with the connection.
      if outlet.isIdle { complete([]) } else { lost() }
    case .close(let reason):
      close(because: reason)
    }
  }

  // MARK: Answers

  /// Answers with bytes that are all there: a CGI head and a body.
  func complete(_ bytes: [UInt8]) {
    answer = .complete(bytes, taken: 0)
    begin()
    sendMore()
  }

  /// Answers later: `complete` follows, unless `callOff` is called before, as nobody waits any more.
  func awaitAnswer(_ callOff: @escaping () -> Void) {
    answer = .awaited(callOff: callOff)
    begin()
  }

  /// Answers with a generation, which sends by itself from here on.
  func begin(_ exchange: Exchange) {
    answer = .exchange(exchange)
    begin()
    exchange.start()
  }

  private func begin() {
    outlet.begin(parser.framing)
    scheduleTimer()
  }

  private func sendMore() {
    switch answer {
    case .exchange(let exchange): exchange.sendBuffer()
    case .complete(let bytes, let taken):
      let result = send(bytes.span.extracting(taken..<bytes.count), isEnded: true)
      answer = .complete(bytes, taken: taken + result.taken)
      switch result.state {
      case .broken: lost()
      case .ended: answerEnded()
      case .idle, .blocked: break
      }
    case .none, .awaited:
      let nothing: [UInt8] = []
      switch send(nothing.span, isEnded: false).state {
      case .broken: lost()
      case .idle where closesWhenSent: lost()
      default: break
      }
    }
  }

  /// Sends the front of `waiting`, as far as the socket takes it, and tells how much of it is gone.
  /// - Parameter isEnded: nothing will follow `waiting`.
  func send(_ waiting: Span<UInt8>, isEnded: Bool) -> (taken: Int, state: SendState) {
    if isEnded, worker.keepsNoConnection, parser.keepsConnection { outlet.endsConnection = true }
    let (taken, state) = outlet.send(waiting, isEnded: isEnded, to: socket)
    if wantsWrite != (state == .blocked) {
      wantsWrite = state == .blocked
      watch()
    }
    switch state {
    case .idle: return (taken, isEnded && isAnswering ? .ended : .idle)
    case .blocked: return (taken, .blocked)
    case .broken: return (taken, .broken)
    }
  }

  /// The answer's last byte is gone: the connection waits for the next request, or ends.
  func answerEnded() {
    let ended = answer
    answer = .none
    if case .exchange(let exchange) = ended { exchange.answered() }
    guard parser.keepsConnection, !closesWhenSent, !outlet.endsConnection else { return lost() }
    parser.requestEnded()
    scheduleTimer()
    // An answer that was given at once ends within `consume`, which goes on by itself.
    guard !isConsuming else { return }
    let input = heldBack
    heldBack = []
    consume(input.span)
  }

  // MARK: Ending

  /// The peer broke the protocol: it is cut off.
  private func close(because reason: String) {
    worker.log.warning("cut off a connection from the web server: \(reason)")
    lost()
  }

  /// The connection is over, whoever ended it.
  func lost() {
    guard !isClosed else { return }
    isClosed = true
    let ended = answer
    answer = .none
    if let timer { worker.timers.cancel(timer) }
    timer = nil
    worker.remove(self)
    abandon(ended)
  }

  /// Nobody waits for the answer any more.
  private func abandon(_ answer: Answer) {
    switch answer {
    case .exchange(let exchange): exchange.clientLeft()
    case .awaited(let callOff): callOff()
    case .none, .complete: break
    }
  }

  // MARK: Waiting

  private var wantsWrite = false

  private func watch() {
    var wanted: Poller<Worker.Source>.Interest = parser.isHeldBack ? .hangup : .read
    if wantsWrite { wanted.insert(.write) }
    guard wanted != interest, !isClosed else { return }
    interest = wanted
    worker.watch(self, wanted)
  }

  /// Half a request has its time from its first byte, and a wait for the next one from the last answer; a running answer
  /// has clocks of its own.
  private func scheduleTimer() {
    guard let timer else { return }
    guard !isAnswering else {
      deadlineIsForRequest = false
      return worker.timers.cancel(timer)
    }
    let timeouts = worker.settings.timeouts
    if parser.isInRequest {
      guard !deadlineIsForRequest else { return }
      deadlineIsForRequest = true
      worker.timers.schedule(timer, at: worker.now + timeouts.halfRequest)
    } else {
      deadlineIsForRequest = false
      worker.timers.schedule(timer, at: worker.now + timeouts.idleConnection)
    }
  }

  private func timedOut() {
    if deadlineIsForRequest {
      close(because: "half a request and no more in time (timeouts.half_request)")
    } else {
      lost()
    }
  }
}

extension GatewayAction {
  fileprivate var endsConnection: Bool { if case .replyAndClose = self { true } else { false } }
}
