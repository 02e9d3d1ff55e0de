import CCurl
import CLinux
import Glibc
import Logging
import Streaming

/// One thread with one epoll loop and one curl multi handle, and the connections and exchanges that were given to it.
/// Everything in it is bound to that thread; the rest of the process reaches it through `WorkerHandle` alone.
final class Worker {
  /// What a descriptor of the loop stands for.
  enum Source {
    case listener(Listener)
    case mailbox
    case connection(Connection)
    /// A socket of libcurl's.
    case upstream(Int32)
    case redis(RedisClient)
  }

  private(set) var settings: Settings
  /// Those of the settings, for all exchanges.
  private(set) var clocks: Lifecycle.Clocks
  /// Those of the settings, for all connections.
  private(set) var requestBounds: RequestBounds
  /// The time of this turn of the loop.
  private(set) var now = Clock.now()
  let timers = TimerQueue()
  /// The exchanges that have something to carry out at the end of this step: the first, which knows the next.
  private var unsettled: Exchange?
  /// Room for what is on its way to a client, of whichever exchange. Taken and put back, never changed in its place,
  /// which would have to be guarded against others who change it at the same time.
  private var spareRoom: [UInt8] = []
  /// For one read at a time, of whichever connection.
  private var readBuffer = [UInt8](repeating: 0, count: 64 << 10)
  private(set) var upstream: CurlMulti!
  private(set) var router: Router!
  /// Where limits are counted together with other processes.
  private(set) var redis: RedisClient?
  private var acceptor: Acceptor!
  let log: Logger
  let accessLog: AccessLog
  private(set) var isDraining = false
  /// Another process listens in our place.
  private var isMakingWay = false
  /// The other workers accept for us no more.
  private var hasAllConnections = false
  let tally = Tally()
  private(set) var census: Census!

  let pool: Pool
  private let handle: WorkerHandle
  private let poller: Poller<Source>
  private var connections = ConnectionTable()
  private var exchanges: [ObjectIdentifier: Exchange] = [:]
  private(set) var antechamber: Antechamber!
  private(set) var targets: TargetTable!
  private var nextCrowdWarning = Instant.past
  private var drainTimer: Timer?
  private var isStopped = false

  static var shuttingDown: Failure { Failure(.shuttingDown, "the server is shutting down; ask again", retryAfter: 1) }

  private static let crowdWarningTime = Duration.seconds(10)
  /// For the last words of streams that the drain limit ended.
  private static let farewellTime = Duration.seconds(1)

  init(_ handle: WorkerHandle, in pool: Pool, settings: Settings) throws(SystemError) {
    self.handle = handle
    self.pool = pool
    self.settings = settings
    clocks = Lifecycle.Clocks(settings.timeouts)
    requestBounds = RequestBounds(settings.limits)
    log = pool.log
    accessLog = pool.accessLog
    poller = try Poller()
    let poller = poller
    upstream = CurlMulti(connections: pool.descriptors.pooledConnections) { socket, what in
      CurlMulti.watch(socket, what, with: poller) { .upstream($0) }
    }
    router = Router(self)
    census = Census(self, handle, of: pool)
    antechamber = Antechamber(self)
    try poller.add(handle.mailbox.descriptor, .read, .mailbox)
    acceptor = try Acceptor(handle, in: pool, polledBy: poller, of: self)
    follow(settings)
  }

  // MARK: The loop

  /// Runs until the pool is drained.
  func run() {
    while !isStopped {
      let count = poller.wait(milliseconds: timeout())
      now = Clock.now()
      for index in 0..<count {
        guard let (source, readiness) = poller.event(index) else { continue }
        dispatch(source, readiness)
        settle()
      }
      if let deadline = upstream.deadline, deadline <= now {
        upstream.wake(at: now)
        settle()
      }
      while let timer = timers.due(at: now) {
        timer.fire(at: now)
        settle()
      }
      if hasAllConnections, isDraining ? exchanges.isEmpty && antechamber.isEmpty : connections.isEmpty { stop() }
    }
    census.leave(report(isFull: false))
  }

  private func timeout() -> Int32 {
    guard let next = Instant.earlier(timers.next, upstream.deadline) else { return -1 }
    // Rounded up: waking before the deadline would find nothing to do and come back at once.
    let nanoseconds = next.nanoseconds - now.nanoseconds
    return Int32(clamping: max(0, (nanoseconds + 999_999) / 1_000_000))
  }

  private func dispatch(_ source: Source, _ readiness: Poller<Source>.Readiness) {
    switch source {
    case .upstream(let socket):
      upstream.ready(
        socket, canRead: readiness.canRead, canWrite: readiness.canWrite, hasFailed: readiness.isError)
    case .connection(let connection): connection.ready(readiness)
    case .listener(let listener): acceptor.accept(from: listener)
    case .redis(let client): client.ready(readiness)
    case .mailbox: for message in handle.mailbox.take() { receive(message) }
    }
  }

  /// Carries out what the last step came to. One read of a provider so makes at most one write to nginx.
  private func settle() {
    while let exchange = unsettled {
      unsettled = exchange.nextUnsettled
      exchange.nextUnsettled = nil
      exchange.settle()
    }
  }

  /// At the end of this step `settle` is called, once.
  func addUnsettled(_ exchange: Exchange) {
    exchange.nextUnsettled = unsettled
    unsettled = exchange
  }

  /// For one exchange at a time; `putBack` follows.
  func takeRoom() -> [UInt8] {
    let room = spareRoom
    spareRoom = []
    return room
  }

  func putBack(_ room: [UInt8]) {
    spareRoom = room
  }

  private func receive(_ message: WorkerHandle.Message) {
    switch message {
    case .connection(let raw): adopt(Descriptor(owning: raw))
    case .settings(let settings): follow(settings)
    case .makeWay(let limit): makeWay(for: limit)
    case .listenersClosed: hasAllConnections = true
    case .drain: drain()
    case .endStreams: endStreams(at: now)
    case .answer(let question): handle.answered.store(question, ordering: .relaxed)
    case .question(let asker, let number, let isFull):
      asker.mailbox.post(.report(report(isFull: isFull), number: number))
    case .report(let report, let number): census.receive(report, to: number)
    }
  }

  private func follow(_ settings: Settings) {
    self.settings = settings
    clocks = Lifecycle.Clocks(settings.timeouts)
    requestBounds = RequestBounds(settings.limits)
    targets = TargetTable(settings, in: pool, counting: tally) { [unowned self] in upstream.start($0) }
    followRedis()
    antechamber.admitNext()
  }

  private func followRedis() {
    if let settings = settings.redis, redis?.follow(settings) ?? false { return }
    redis?.stop()
    redis = settings.redis.map { RedisClient($0, on: self, polledBy: poller) }
  }

  // MARK: Connections

  /// The pool counted it before it came here.
  func adopt(_ descriptor: consuming Descriptor) {
    if connections.count + exchanges.count >= pool.descriptors.perWorker { makeRoom() }
    let connection = Connection(descriptor, on: self)
    do {
      try poller.add(connection.raw, .read, .connection(connection))
      connections.insert(connection)
    } catch {
      log.error("\(error)")
      connection.lost()
    }
  }

  /// Connections that ask nothing shall not keep those out that do.
  private func makeRoom() {
    let intruders = connections.intruders
    for connection in intruders { connection.lost() }
    guard !intruders.isEmpty, now >= nextCrowdWarning else { return }
    nextCrowdWarning = now + Self.crowdWarningTime
    log.warning("no descriptor was left: cut off \(intruders.count) connection(s) that asked nothing")
  }

  func watch(_ connection: Connection, _ interest: Poller<Source>.Interest) {
    do { try poller.modify(connection.raw, interest) } catch { log.error("\(error)") }
  }

  /// The connection has ended; with the last reference to it its descriptor is closed.
  func remove(_ connection: Connection) {
    poller.remove(connection.raw)
    connections.remove(connection)
    handle.connections.subtract(1, ordering: .relaxed)
    acceptor.descriptorFreed()
  }

  /// Reads what is there, and gives it to `body` before it returns.
  /// - Returns: `bytes` with the count, or why there are none.
  func read(_ socket: borrowing StreamSocket, _ body: (Span<UInt8>) -> Void) -> StreamSocket.Progress {
    let progress = socket.read(into: &readBuffer)
    if case .bytes(let count) = progress {
      let bytes = readBuffer
      body(bytes.span.extracting(0..<count))
    }
    return progress
  }

  /// A read that returns fewer bytes has found the socket's end for now.
  var readBytes: Int { readBuffer.count }

  // MARK: Exchanges

  /// Streams that this worker takes.
  var streamBound: Int {
    settings.limits.streams > 0 ? settings.limits.streams : pool.descriptors.streamsPerWorker
  }

  var isFull: Bool { exchanges.count >= streamBound }

  /// Requests that it takes, those included that wait for a slot.
  var hasRoom: Bool { exchanges.count + antechamber.count < streamBound + settings.queue.length }

  func begin(_ plan: StreamPlan, for connection: Connection) {
    let waits = plan.admission?.isProvisional ?? false || isFull
    let exchange = Exchange(plan, for: connection, on: self, waits: waits)
    if waits {
      antechamber.enter(exchange)
    } else {
      hold(exchange)
    }
    connection.begin(exchange)
  }

  /// It has a slot from here on.
  func hold(_ exchange: Exchange) {
    exchanges[ObjectIdentifier(exchange)] = exchange
  }

  func exchangeEnded(_ exchange: Exchange) {
    exchanges[ObjectIdentifier(exchange)] = nil
    antechamber.leave(exchange)
    tally.requestEnded(route: exchange.plan.context.route, status: exchange.lifecycle.status)
    accessLog.write(
      exchange.plan.context, exchange.lifecycle, asked: exchange.plan.targets[0].name,
      attempts: exchange.callCount, bytes: exchange.sentBytes, queued: exchange.queuedMilliseconds, at: now)
    exchange.plan.admission?.end(tokens: exchange.lifecycle.usage?.totalTokens ?? exchange.lifecycle.tokenCount)
    antechamber.admitNext()
  }

  // MARK: Limits

  /// Of all the process's workers.
  var ledger: SharedLedger { pool.ledger }

  /// How it stands at this moment.
  private func report(isFull: Bool) -> WorkerReport {
    for exchange in exchanges.values { exchange.noteProgress() }
    var report = WorkerReport(
      worker: handle.number, figures: tally.figures, connections: connections.count, streams: exchanges.count,
      paused: exchanges.values.count { $0.lifecycle.buffer.isPaused }, queued: antechamber.queued)
    if isFull {
      report.running = exchanges.values.map { StreamReport($0.plan.context, $0.lifecycle, isQueued: false) }
      report.running += antechamber.all.map { StreamReport($0.plan.context, $0.lifecycle, isQueued: true) }
    }
    return report
  }

  // MARK: Leaving

  /// Whether connections end with the answer that they have now.
  var keepsNoConnection: Bool { isDraining || isMakingWay }

  /// Takes no new connection, lets running streams end, and stops when the last one has.
  private func drain() {
    guard !isDraining else { return }
    isDraining = true
    acceptor.stop()
    for exchange in antechamber.all { exchange.fail(Self.shuttingDown) }
    endStreams(after: settings.timeouts.drain)
  }

  /// Takes no new connection, serves what comes over those that are there, and stops when the web server has closed the
  /// last one: closed by us, an idle one could meet its next request.
  private func makeWay(for limit: Duration) {
    guard !keepsNoConnection else { return }
    isMakingWay = true
    acceptor.stop()
    endStreams(after: limit)
  }

  private func endStreams(after time: Duration) {
    if let drainTimer { timers.cancel(drainTimer) }
    let timer = Timer { [unowned self] now in endStreams(at: now) }
    drainTimer = timer
    timers.schedule(timer, at: now + time)
  }

  private func endStreams(at now: Instant) {
    for exchange in Array(exchanges.values) + antechamber.all { exchange.fail(Self.shuttingDown) }
    settle()
    if let drainTimer { timers.cancel(drainTimer) }
    let timer = Timer { [unowned self] _ in stop() }
    drainTimer = timer
    timers.schedule(timer, at: now + Self.farewellTime)
  }

  private func stop() {
    for connection in connections.all { connection.lost() }
    // After the last stream's end was told.
    redis?.stop()
    isStopped = true
  }
}

extension RequestBounds {
  fileprivate convenience init(_ limits: Settings.Limits) {
    self.init(params: limits.paramsBytes, body: limits.bodyBytes, v1Body: limits.v1BodyBytes)
  }
}
