import Glibc
import Logging
import Synchronization

/// What the workers of a process share: where they listen, how they find each other, and the log. Nothing of it is
/// touched for a token.
final class Pool: Sendable {
  let listeners: [Listener]
  let peers: AllowedPeers
  let handles: [WorkerHandle]
  let descriptors: DescriptorBudget
  let log: Logger
  let accessLog: AccessLog
  let standings = ProviderStandings()
  let ledger = SharedLedger()
  /// Workers that still poll the listeners.
  private let listening: Atomic<Int>
  /// Whether another process has the listeners too.
  private let keepsFiles = Atomic<Bool>(false)
  /// Seconds since 1970.
  let startedAt = Clock.wall()

  init(
    listeners: [Listener], peers: AllowedPeers, workers: Int, log: Logger, accessLog: AccessLog
  ) throws(SystemError) {
    self.listeners = listeners
    self.peers = peers
    self.log = log
    self.accessLog = accessLog
    listening = Atomic(workers)
    descriptors = DescriptorBudget(workers: workers)
    var handles: [WorkerHandle] = []
    for number in 0..<workers { handles.append(try WorkerHandle(number)) }
    self.handles = handles
  }

  /// Tells all workers.
  func post(_ message: WorkerHandle.Message) {
    for handle in handles { handle.mailbox.post(message) }
  }

  /// Another process has taken the listeners over: their files are its own from here on.
  func listenersWereHandedOver() {
    keepsFiles.store(true, ordering: .releasing)
  }

  /// A worker has taken the listeners out of its loop for good; with the last one they are closed, so that no number
  /// is used again while somebody still polls it, and all are told.
  func stoppedListening() {
    guard listening.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
    for listener in listeners { listener.close(keepsFile: keepsFiles.load(ordering: .acquiring)) }
    post(.listenersClosed)
  }

  /// Who gets the next connection: epoll wakes the same worker first, so who accepts hands on.
  func handleWithFewestConnections() -> WorkerHandle {
    var best = handles[0]
    var fewest = best.connections.load(ordering: .relaxed)
    for handle in handles.dropFirst() {
      let count = handle.connections.load(ordering: .relaxed)
      if count < fewest { (best, fewest) = (handle, count) }
    }
    return best
  }
}

/// How the rest of the process reaches a worker.
final class WorkerHandle: Sendable {
  enum Message: Sendable {
    /// A connected socket, which the receiver owns from here on.
    case connection(Int32)
    case settings(Settings)
    /// Another process listens: to end with the last connection, or after so long.
    case makeWay(Duration)
    /// No worker accepts any more, and what they accepted for this one came before.
    case listenersClosed
    case drain
    /// Ends the streams that still run.
    case endStreams
    /// The watchdog's question, which goes into `answered`.
    case answer(Int)
    /// How does it stand? With each running stream where `isFull`; see `Census`.
    case question(from: WorkerHandle, number: Int, isFull: Bool)
    /// The answer to one.
    case report(WorkerReport, number: Int)
  }

  /// More than any worker ever has.
  private static let closed = 1 << 40

  let mailbox: Mailbox<Message>
  /// Connections that it has, or is about to get.
  let connections = Atomic<Int>(0)
  /// The watchdog's last question that its loop has come to.
  let answered = Atomic<Int>(0)
  /// How it stood when it ended; nil: it runs.
  let lastReport = Guarded<WorkerReport?>(nil)
  /// Counted from 0.
  let number: Int

  init(_ number: Int) throws(SystemError) {
    self.number = number
    mailbox = try Mailbox()
  }

  /// As `connections`, also once the worker is about to end.
  var openConnections: Int { connections.load(ordering: .relaxed) % Self.closed }

  /// The worker is about to end: from here on it never has the fewest.
  func close() {
    connections.add(Self.closed, ordering: .relaxed)
  }
}

/// How the process's descriptors are shared out (RLIMIT_NOFILE).
struct DescriptorBudget: Sendable {
  /// Idle connections to providers that a worker keeps.
  let pooledConnections: Int
  /// Each takes one to the web server and one to the provider.
  let streamsPerWorker: Int

  /// All that a worker may use.
  var perWorker: Int { 2 * streamsPerWorker + pooledConnections }

  /// For listeners, loops, the log, and what libraries open for a moment.
  private static let reserve = 64

  init(workers: Int) {
    // The soft limit is for programs that use select; raising it is what epoll's users do.
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let free = max(0, Int(min(limit.rlim_cur, 1 << 24)) - Self.reserve)
    pooledConnections = max(1, min(256, free / 8 / workers))
    streamsPerWorker = max(1, (free / workers - pooledConnections) / 2)
  }
}
