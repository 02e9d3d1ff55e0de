import Streaming

/// Carries out a load: one thread, one epoll instance, and little work a token, as it shares the cores with what it
/// measures.
final class LoadClient {
  private let plan: LoadPlan
  private let request: [UInt8]
  private let slowRequest: [UInt8]
  private let poller: Poller
  private var connections: [LoadConnection] = []
  private var buffer = [UInt8](repeating: 0, count: 65536)
  private var tally = Tally()
  /// What slow readers bring, which nobody asks for.
  private var slowTally = Tally()
  private var started = 0
  private var open = 0
  private var peakOpen = 0
  /// Those that wait to leave together.
  private var waiting = 0
  private var leftAt: Instant?

  init(_ plan: LoadPlan) throws(BenchError) {
    self.plan = plan
    request = plan.request(prompt: plan.prompt)
    slowRequest = plan.request(prompt: plan.slow?.prompt ?? plan.prompt)
    poller = try Poller()
  }

  /// Runs until all streams have ended or the time is up.
  ///
  /// - Parameter watch: called every 100 ms, with the streams that are open.
  func run(watch: (Int) -> Void = { _ in }) throws(Interruption.Interrupted) -> LoadResult {
    let start = Clock.now()
    let cpu = Clock.ownCPU()
    defer { connections.forEach(close) }
    var watchedAt = start
    var readSlowAt = start
    while !isOver {
      let now = Clock.now()
      guard start.duration(to: now) < plan.timeout else { break }
      if watchedAt.milliseconds(to: now) >= 100 {
        watchedAt = now
        try Interruption.check()
        watch(open)
      }
      if plan.slow != nil, readSlowAt.milliseconds(to: now) >= Self.slowTurn {
        readSlowAt = now
        readSlowly()
      }
      openStreams(since: start, now)
      serve(milliseconds: connections.count < plan.streams ? 1 : plan.slow != nil ? 10 : 100)
      if plan.leavesTogether, waiting > 0, waiting == open, started == plan.total { leaveTogether() }
    }
    let (time, clientCPU) = (start.duration(to: Clock.now()), Clock.ownCPU() - cpu)
    countWhatIsOpen()
    return LoadResult(
      tally: tally, started: started, unfinished: connections.count { $0.socket != nil && !$0.isSlow },
      peakOpen: peakOpen, time: time, leftAt: leftAt, clientCPU: clientCPU)
  }

  /// Tokens in the wrong order are a fault of streams that have not ended, too, and so are slow readers that failed.
  private func countWhatIsOpen() {
    for connection in connections where connection.socket != nil { tally.add(connection.reader.check) }
    for (reason, count) in slowTally.failures {
      for _ in 0..<count { tally.fail("a slow reader: \(reason)") }
    }
  }

  /// Milliseconds between two reads of a slow reader.
  private static let slowTurn = 50

  private var isOver: Bool {
    let slow = plan.slow?.count ?? 0
    // Slow readers end when the time is up: they are waited for where there is nobody else.
    let areOthersOver = slow < plan.streams && tally.completed + tally.left + tally.failed >= plan.total - slow
    return areOthersOver || tally.failed + slowTally.failed >= plan.total
  }

  private func openStreams(since start: Instant, _ now: Instant) {
    while connections.count < plan.streams, started < plan.total {
      if let ramp = plan.ramp, Double(connections.count) >= start.duration(to: now).seconds * ramp { return }
      let connection = LoadConnection(slot: connections.count, isSlow: connections.count < plan.slow?.count ?? 0)
      connections.append(connection)
      begin(connection)
    }
  }

  private func serve(milliseconds: Int32) {
    for index in 0..<poller.wait(milliseconds: milliseconds) {
      let event = poller.event(index)
      let connection = connections[event.slot]
      guard connection.turn == event.turn, let socket = connection.socket else { continue }
      if event.canWrite { sendRequest(connection, socket) } else { read(connection, socket, limit: buffer.count) }
    }
  }

  // MARK: One stream

  /// Opens the connection of the next stream.
  private func begin(_ connection: LoadConnection) {
    started += 1
    connection.begin(at: Clock.now())
    do {
      let socket = try ClientSocket(
        to: plan.target, number: started, receiveBufferBytes: connection.isSlow ? plan.slow?.receiveBufferBytes : nil)
      connection.socket = socket
      open += 1
      peakOpen = max(peakOpen, open)
      poller.add(socket.descriptor, .write, slot: connection.slot, turn: connection.turn)
    } catch {
      count(connection, .failed("\(error)"))
    }
  }

  private func sendRequest(_ connection: LoadConnection, _ socket: ClientSocket) {
    let bytes = connection.isSlow ? slowRequest : request
    guard let count = socket.write(bytes, from: connection.sent) else { return }
    guard count >= 0 else { return end(connection, .failed("the connection broke before the request was sent")) }
    connection.sent += count
    guard connection.sent == bytes.count else { return }
    poller.modify(
      socket.descriptor, connection.isSlow ? .nothing : .read, slot: connection.slot, turn: connection.turn)
  }

  private func read(_ connection: LoadConnection, _ socket: ClientSocket, limit: Int) {
    guard let count = socket.read(into: &buffer, limit: limit) else { return }
    guard count > 0 else { return end(connection, connection.reader.close()) }
    let now = Clock.now()
    let progress: StreamReader.Progress
    if connection.isSlow {
      progress = connection.reader.read(buffer.span.extracting(0..<count), at: now, into: &slowTally)
    } else {
      tally.bytes += count
      progress = connection.reader.read(buffer.span.extracting(0..<count), at: now, into: &tally)
    }
    if progress != .more {
      end(connection, progress)
    } else if let enough = plan.leaveAfter, connection.reader.check.next >= enough, !connection.waits {
      if plan.leavesTogether {
        connection.waits = true
        waiting += 1
      } else {
        leave(connection)
      }
    }
  }

  private func readSlowly() {
    guard let slow = plan.slow, slow.bytesPerSecond > 0 else { return }
    for connection in connections where connection.isSlow && connection.sent == slowRequest.count {
      guard let socket = connection.socket else { continue }
      read(connection, socket, limit: max(1, slow.bytesPerSecond * Self.slowTurn / 1000))
    }
  }

  private func leave(_ connection: LoadConnection) {
    tally.left += 1
    tally.add(connection.reader.check)
    close(connection)
    next(connection)
  }

  private func leaveTogether() {
    leftAt = Clock.now()
    // Nothing between one close and the next: what is counted is counted afterwards.
    let leaving = connections.filter { $0.socket != nil }
    leaving.forEach(close)
    tally.left += leaving.count
    for connection in leaving { tally.add(connection.reader.check) }
  }

  private func end(_ connection: LoadConnection, _ progress: StreamReader.Progress) {
    if connection.waits { waiting -= 1 }
    let mayStay = progress == .ended && plan.keepsConnections && connection.reader.keepsConnection
    count(connection, progress)
    if mayStay, started < plan.total, let socket = connection.socket {
      started += 1
      connection.begin(at: Clock.now())
      poller.modify(socket.descriptor, .write, slot: connection.slot, turn: connection.turn)
    } else {
      close(connection)
      next(connection)
    }
  }

  private func count(_ connection: LoadConnection, _ progress: StreamReader.Progress) {
    var progress = progress
    if let expected = plan.expectedTokens, !connection.isSlow {
      progress = connection.reader.end(progress, expected: expected)
    }
    if case .failed(let why) = progress {
      if connection.isSlow { slowTally.fail(why) } else { tally.fail(why) }
    } else if !connection.isSlow {
      tally.completed += 1
    }
    if !connection.isSlow { tally.add(connection.reader.check) }
  }

  private func next(_ connection: LoadConnection) {
    if started < plan.total, !connection.isSlow { begin(connection) }
  }

  private func close(_ connection: LoadConnection) {
    guard let socket = connection.socket else { return }
    socket.close()
    connection.socket = nil
    open -= 1
  }
}
