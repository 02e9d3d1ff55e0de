import Glibc
import Logging
import Streaming

/// A worker's one connection to Redis: asks whether a request may be admitted, and tells what has ended. Nobody waits for
/// it but the request that asks, for its time at most. Bound to its worker's thread.
///
/// It is away from the moment when it cannot be reached or leaves a question unanswered in time, until it answers again.
/// While it is, nobody waits: questions come back at once.
final class RedisClient {
  private struct Question {
    let number: Int
    let question: LedgerQuestion
    let deadline: Instant
    let answer: (LedgerVerdict?) -> Void
  }

  private(set) var settings: Settings.Redis

  private unowned let worker: Worker
  private let poller: Poller<Worker.Source>
  /// Nil: between two tries.
  private var link: RedisLink?
  private var pipeline: RedisPipeline
  /// In their order; each waits for its answer.
  private var questions: [Question] = []
  private var unsent = UnsentReleases()
  private var lastNumber = 0
  private var addressIndex = 0
  /// Addresses that were tried since it was last there.
  private var tried = 0
  private var failures = 0
  private var isAway = false
  private var isStopped = false
  /// When it said something last, or was asked something after it had said all.
  private var heardAt = Instant.past
  /// Of the link: the next try, the end of the login, the reply that is due.
  private var linkTimer: Timer!
  private var questionTimer: Timer!

  /// For a connection to stand and the login to be over.
  private var loginTime: Duration { max(.seconds(2), settings.timeout) }
  /// A reply that is not there by then will not come.
  private var silenceTime: Duration { max(.seconds(5), settings.timeout) }
  /// Between two tries, doubled from the first on.
  private static let (firstRest, longestRest) = (Duration.milliseconds(100), Duration.seconds(5))
  /// Output that it does not take.
  private static let outputBound = 4 << 20

  init(_ settings: Settings.Redis, on worker: Worker, polledBy poller: Poller<Worker.Source>) {
    self.settings = settings
    self.worker = worker
    self.poller = poller
    pipeline = RedisPipeline(settings.login)
    linkTimer = Timer { [unowned self] _ in linkTimedOut() }
    questionTimer = Timer { [unowned self] now in questionsTimedOut(at: now) }
    connect()
  }

  /// The settings were read again.
  /// - Returns: whether the connection is still the right one. A changed one would have the leases here expire by themselves.
  func follow(_ settings: Settings.Redis) -> Bool {
    guard settings.isSameStore(as: self.settings) else { return false }
    self.settings = settings
    return true
  }

  /// Ends the connection for good; who waits is answered as if Redis were away.
  func stop() {
    guard !isStopped else { return }
    isStopped = true
    disconnect()
    worker.timers.cancel(linkTimer)
    worker.timers.cancel(questionTimer)
    if isAway { _ = worker.ledger.note(isAway: false) }
    isAway = false
    answerAll()
  }

  // MARK: What the worker asks

  /// - Parameter answer: called once, perhaps before this returns; nil: Redis is away.
  /// - Returns: the question's number, for `forget`; nil: it is answered.
  func ask(_ claims: Claims, lease: String, _ answer: @escaping (LedgerVerdict?) -> Void) -> Int? {
    guard !isAway, !isStopped else {
      answer(nil)
      return nil
    }
    lastNumber += 1
    let timeouts = worker.settings.timeouts
    let leaseTime = worker.settings.queue.wait + timeouts.total + timeouts.clientStall
    let question = LedgerQuestion(
      claims, lease: lease, leaseTime: leaseTime, prefix: settings.prefix, wall: Int(Clock.wall()))
    let deadline = worker.now + settings.timeout
    questions.append(Question(number: lastNumber, question: question, deadline: deadline, answer: answer))
    if questions.count == 1 { worker.timers.schedule(questionTimer, at: deadline) }
    let number = lastNumber
    if isReady {
      pipeline.ask(question, number: number)
      flush()
    }
    // The last, unless the connection broke under it.
    return questions.last?.number == number ? number : nil
  }

  /// The client is gone: its question is not answered.
  func forget(_ number: Int) {
    questions.removeAll { $0.number == number }
    pipeline.forget(number)
  }

  /// Gives a lease back, whether Redis has heard of it or not: what was asked before comes before.
  func release(_ lease: String, _ claims: Claims, tokens: Int) {
    unsent.add(lease, claims, tokens: tokens, wall: Int(Clock.wall()))
    if isReady { flush() }
  }

  // MARK: The connection

  private var isReady: Bool { link?.isReady ?? false }

  private func connect() {
    let address = settings.addresses[addressIndex % settings.addresses.count]
    addressIndex += 1
    tried += 1
    pipeline = RedisPipeline(settings.login)
    do throws(SystemError) {
      let link = RedisLink(try OutgoingSocket.connect(to: address))
      try poller.add(link.raw, [.read, .write], .redis(self))
      self.link = link
      worker.timers.schedule(linkTimer, at: worker.now + loginTime)
    } catch {
      failed(error.reason)
    }
  }

  func ready(_ readiness: Poller<Worker.Source>.Readiness) {
    guard let link else { return }
    if !link.isConnected {
      if let reason = OutgoingSocket.failure(of: link.raw) { return failed(reason) }
      link.isConnected = true
    }
    if readiness.canRead || readiness.isHangup { read(from: link) }
    // A reply may call for another command.
    if self.link === link, readiness.canWrite || !pipeline.output.isEmpty { flush() }
  }

  private func read(from link: RedisLink) {
    while self.link === link {
      var fault: RedisPipeline.Fault?
      var events: [RedisPipeline.Event] = []
      let progress = worker.read(link.socket) { bytes in
        do throws(RedisPipeline.Fault) { events = try pipeline.receive(bytes) } catch { fault = error }
      }
      switch progress {
      case .bytes:
        heardAt = worker.now
        if let fault { return failed(fault.description) }
        for event in events { heard(event) }
        if self.link === link, link.isReady, isAway, pipeline.awaited == 0 { comeBack() }
      case .blocked: return
      case .ended, .broken: return failed("it closed the connection")
      }
    }
  }

  private func heard(_ event: RedisPipeline.Event) {
    switch event {
    case .ready:
      link?.isReady = true
      (failures, tried) = (0, 0)
      addressIndex -= 1
      if isAway { comeBack() }
      for question in questions { pipeline.ask(question.question, number: question.number) }
      flush()
    case .answer(let number, let verdict): answer(number, verdict)
    case .unanswered(let number, let fault):
      // The connection stands and is no help (a replica, no memory): the next try may find it mended, but not soon.
      failures = 10
      if questions.contains(where: { $0.number == number }) { failed(fault.description) }
    }
  }

  /// Sends what waits, as far as the socket takes it.
  private func flush() {
    guard let link, link.isConnected else { return }
    takeReleases(link)
    if !pipeline.output.isEmpty, worker.timers.isIdle(linkTimer) {
      heardAt = worker.now
      worker.timers.schedule(linkTimer, at: worker.now + silenceTime)
    }
    while !pipeline.output.isEmpty {
      switch link.socket.write(pipeline.output.span) {
      case .bytes(let count):
        pipeline.output.removeFirst(count)
        if pipeline.output.isEmpty { takeReleases(link) }
      case .blocked:
        guard pipeline.output.count <= Self.outputBound else { return failed("it reads nothing") }
        return watch(link, wantsWrite: true)
      case .ended, .broken: return failed("it closed the connection")
      }
    }
    watch(link, wantsWrite: false)
  }

  private func takeReleases(_ link: RedisLink) {
    guard link.isReady, !isAway, !unsent.isEmpty else { return }
    for words in unsent.take(prefix: settings.prefix) { pipeline.tell(words) }
  }

  private func watch(_ link: RedisLink, wantsWrite: Bool) {
    guard link.wantsWrite != wantsWrite else { return }
    link.wantsWrite = wantsWrite
    var interest = Poller<Worker.Source>.Interest.read
    if wantsWrite { interest.insert(.write) }
    do { try poller.modify(link.raw, interest) } catch { failed(error.reason) }
  }

  private func disconnect() {
    guard let link else { return }
    poller.remove(link.raw)
    self.link = nil
  }

  private func failed(_ reason: String) {
    let wasReady = isReady
    disconnect()
    // A name may have an address of each kind, and Redis listen on one of them.
    if !wasReady, tried % settings.addresses.count != 0 { return connect() }
    goAway(because: reason)
    let rest = min(Self.firstRest * (1 << min(failures, 10)), Self.longestRest)
    failures += 1
    worker.timers.schedule(linkTimer, at: worker.now + rest)
    answerAll()
  }

  private func linkTimedOut() {
    guard let link else { return connect() }
    guard link.isReady else { return failed("it does not answer") }
    guard pipeline.awaited > 0 else { return }
    guard heardAt + silenceTime > worker.now else { return failed("it does not answer") }
    worker.timers.schedule(linkTimer, at: heardAt + silenceTime)
  }

  // MARK: Away and back

  private func goAway(because reason: String) {
    guard !isAway else { return }
    isAway = true
    guard worker.ledger.note(isAway: true) else { return }
    let isOpen = settings.whenAway == .open
    let then = isOpen ? "each process counts its limits for itself" : "requests that have a limit are refused"
    worker.log.error("Redis at \(settings.name) is away: \(reason); until it is back \(then) (redis.when_away)")
  }

  private func comeBack() {
    isAway = false
    if worker.ledger.note(isAway: false) { worker.log.notice("Redis at \(settings.name) is back") }
    flush()
  }

  private func answer(_ number: Int, _ verdict: LedgerVerdict?) {
    guard let index = questions.firstIndex(where: { $0.number == number }) else { return }
    questions.remove(at: index).answer(verdict)
  }

  private func answerAll() {
    while !questions.isEmpty { questions.removeFirst().answer(nil) }
  }

  private func questionsTimedOut(at now: Instant) {
    if let first = questions.first, first.deadline <= now {
      goAway(because: "it does not answer within \(settings.timeout)")
      // Whoever came later waits no longer for one that is away.
      answerAll()
    } else if let first = questions.first {
      worker.timers.schedule(questionTimer, at: first.deadline)
    }
  }
}
