import Streaming

/// The exchanges that have no slot yet: those whose limits somebody else is asked about, and those that wait in a queue,
/// first come first served, until a stream ends. Bound to its worker's thread.
final class Antechamber {
  private enum Stage {
    /// Somebody is asked whether it may go on.
    case asking
    case queued(since: Instant)
  }

  private unowned let worker: Worker
  private var members: [ObjectIdentifier: (exchange: Exchange, stage: Stage)] = [:]
  private var line = WaitingLine<Exchange>()
  /// Set to when somebody is to be told another place.
  private var newsTimer: Timer!

  /// For the answer of Redis, which has a clock of its own.
  private static let askingTime = Duration.seconds(3600)

  init(_ worker: Worker) {
    self.worker = worker
    newsTimer = Timer { [unowned self] _ in tellNews() }
  }

  var count: Int { members.count }
  /// Of them those that wait for a slot.
  var queued: Int { line.count }
  var isEmpty: Bool { members.isEmpty }
  var all: [Exchange] { members.values.map(\.exchange) }

  /// Before it starts.
  func enter(_ exchange: Exchange) {
    members[ObjectIdentifier(exchange)] = (exchange, .asking)
  }

  /// It has started.
  /// - Returns: false: it is not here, and has its slot already.
  func receive(_ exchange: Exchange) -> Bool {
    guard members[ObjectIdentifier(exchange)] != nil else { return false }
    exchange.wait(until: worker.now + Self.askingTime)
    if let admission = exchange.plan.admission {
      admission.confirm { [unowned self, unowned exchange] failure in
        if let failure { exchange.fail(failure) } else { goOn(exchange) }
      }
    } else {
      goOn(exchange)
    }
    return true
  }

  /// It may have a slot, if there is one.
  private func goOn(_ exchange: Exchange) {
    guard members[ObjectIdentifier(exchange)] != nil else { return }
    guard worker.isFull else { return takeTurn(exchange, queuedSince: nil) }
    guard line.count < worker.settings.queue.length else {
      return exchange.fail(Failure(.overloaded, "all of the server's streams are taken; ask again", retryAfter: 1))
    }
    members[ObjectIdentifier(exchange)] = (exchange, .queued(since: worker.now))
    let place = line.append(exchange, at: worker.now)
    exchange.wait(until: worker.now + worker.settings.queue.wait)
    exchange.tellPlace(place)
  }

  /// It has ended, or its turn has come. One that is not here is no fault.
  func leave(_ exchange: Exchange) {
    guard let (_, stage) = members.removeValue(forKey: ObjectIdentifier(exchange)) else { return }
    if case .queued(let since) = stage {
      exchange.queued(since: since)
      line.remove(exchange)
      scheduleNews()
    }
  }

  /// Slots may have become free.
  func admitNext() {
    while !line.isEmpty, !worker.isFull, let next = line.popFirst() {
      guard case .queued(let since)? = members[ObjectIdentifier(next)]?.stage else { continue }
      takeTurn(next, queuedSince: since)
    }
    scheduleNews()
  }

  private func takeTurn(_ exchange: Exchange, queuedSince: Instant?) {
    members[ObjectIdentifier(exchange)] = nil
    worker.hold(exchange)
    exchange.takeTurn(queuedSince: queuedSince)
  }

  private func tellNews() {
    for (exchange, place) in line.takeNews(at: worker.now) { exchange.tellPlace(place) }
    scheduleNews()
  }

  private func scheduleNews() {
    guard let at = line.newsAt else { return worker.timers.cancel(newsTimer) }
    worker.timers.schedule(newsTimer, at: at)
  }
}
