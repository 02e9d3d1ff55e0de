import CLinux
import Glibc
import Streaming

/// A worker's end of the listeners: accepts, hands each connection to the worker with the fewest, and stands back while
/// the process has no descriptor left. Bound to its worker's thread.
final class Acceptor {
  private unowned let worker: Worker
  private let handle: WorkerHandle
  private let pool: Pool
  private let poller: Poller<Worker.Source>
  private var hasStopped = false
  /// Set while the listeners are out of the poller.
  private var retry: Timer?
  private var nextWarning = Instant.past

  /// Connections that are accepted at a time: the other workers want some too, and the running streams their turn.
  private static let batch = 16
  /// Between two tries while no descriptor is left.
  private static let retryTime = Duration.milliseconds(100)
  /// Between two log lines that say so.
  private static let warningTime = Duration.seconds(10)

  init(
    _ handle: WorkerHandle, in pool: Pool, polledBy poller: Poller<Worker.Source>, of worker: Worker
  ) throws(SystemError) {
    self.worker = worker
    self.handle = handle
    self.pool = pool
    self.poller = poller
    for listener in pool.listeners { try poller.add(listener.raw, .accept, .listener(listener)) }
  }

  /// The listener has connections for us, or had until another worker took them.
  func accept(from listener: Listener) {
    for _ in 0..<Self.batch {
      let raw = sheep_accept(listener.raw)
      guard raw >= 0 else {
        if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) { standBack() }
        return
      }
      let connection = Descriptor(owning: raw)
      guard pool.peers.allows(raw, from: listener) else {
        worker.log.warning("refused a connection to \(listener): its peer is not in \(AllowedPeers.variable)")
        continue
      }
      let receiver = pool.handleWithFewestConnections()
      receiver.connections.add(1, ordering: .relaxed)
      if receiver === handle {
        worker.adopt(connection)
      } else {
        receiver.mailbox.post(.connection(connection.release()))
      }
    }
  }

  /// A descriptor was closed: whoever waits may come in.
  func descriptorFreed() {
    guard let timer = retry else { return }
    retry = nil
    worker.timers.cancel(timer)
    for listener in pool.listeners {
      do throws(SystemError) {
        try poller.add(listener.raw, .accept, .listener(listener))
      } catch {
        worker.log.error("\(error)")
      }
    }
  }

  /// No descriptor is left: polled on, the listeners would wake the loop again and again for nothing.
  private func standBack() {
    guard retry == nil else { return }
    for listener in pool.listeners { poller.remove(listener.raw) }
    if worker.now >= nextWarning {
      nextWarning = worker.now + Self.warningTime
      worker.log.warning("no descriptor is left; raise LimitNOFILE or ulimit -n, or lower limits.streams")
    }
    // Another worker, or a library, may free one without our knowing.
    let timer = Timer { [unowned self] _ in descriptorFreed() }
    retry = timer
    worker.timers.schedule(timer, at: worker.now + Self.retryTime)
  }

  /// Accepts no more, for good.
  func stop() {
    guard !hasStopped else { return }
    hasStopped = true
    handle.close()
    if let retry { worker.timers.cancel(retry) }
    retry = nil
    for listener in pool.listeners { poller.remove(listener.raw) }
    pool.stoppedListening()
  }
}
