import Glibc
import NIOCore
import NIOHTTP1

/// Carries out a reply on its connection: when a step is due, and while the socket takes it.
///
/// Bound to the channel's event loop. It holds one timer at most, and never more bytes than one step writes.
final class ReplySender {
  private enum Phase {
    case sending
    /// Silent, until the client leaves.
    case stalled
    /// Whole, but for the end of the body.
    case lingering
    case over
  }

  private let channel: any Channel
  private let request: HTTPRequestHead
  private let statistics: Statistics
  /// Called before the end of the body goes out, as that may bring in the next request at once.
  private let ended: () -> Void

  private var reply: Reply
  private var phase = Phase.sending
  /// CLOCK_MONOTONIC in nanoseconds. Counted up by the interval, so that a late step does not delay the next.
  private var due: UInt64 = 0
  private let interval: UInt64
  /// Written by steps, not sent yet.
  private var held = ByteBuffer()
  private let pieceBytes: Int
  /// Some eight tokens.
  private static let floodBytes = 2048
  /// The step that ended the reply; it is carried out when `held` is empty.
  private var last: Reply.Step?
  private var timer: NIOScheduledCallback?
  private var isHeadSent = false
  /// Whether `takeTurn` will be called.
  private var isQueued = false

  init(
    _ reply: Reply, to request: HTTPRequestHead, on channel: any Channel, statistics: Statistics,
    ended: @escaping () -> Void
  ) {
    self.reply = reply
    self.request = request
    self.channel = channel
    self.statistics = statistics
    self.ended = ended
    interval = reply.interval
    pieceBytes = reply.script.splitBytes
  }

  func start() {
    due = Self.now + reply.delay
    guard !reply.isSilent else {
      phase = .stalled
      return
    }
    if reply.isStream {
      reply.opening(to: &held)
      if pieceBytes == 0 { sendPiece() } else { sendHead() }
      channel.flush()
    }
    pump()
  }

  /// The channel can be written to: `takeTurn` will be called. Not at once, as NIO's flush, which tells so, goes on as
  /// long as there is more to write.
  func awaitTurn() {
    guard phase == .sending, !isQueued else { return }
    isQueued = true
    FloodTurns.current(channel.eventLoop).add(self)
  }

  func takeTurn() {
    isQueued = false
    pump()
  }

  /// Takes the steps that are due, as long as the channel takes them. Any flush may call `peerClosed`, where the client has
  /// reset the connection: the phase is set before it, or looked at behind it.
  private func pump() {
    // A flood shares its loop with others, so a turn has an end.
    var budget = 512
    while phase == .sending, channel.isWritable, budget > 0 {
      budget -= 1
      let now = Self.now
      if mustSendHeld(at: now) {
        sendPiece()
      } else if let last {
        return finish(last)
      } else if due > now {
        wake(at: due)
        return channel.flush()
      } else {
        step(at: now)
      }
    }
    channel.flush()
    if channel.isWritable { awaitTurn() }
  }

  /// The client closed the connection, or it broke.
  func peerClosed() {
    switch phase {
    case .sending, .stalled: statistics.requestIsDecided(.aborted)
    case .lingering: break
    case .over: return
    }
    leave()
  }

  private func step(at now: UInt64) {
    let before = reply.sent
    let step = reply.next(at: now, to: &held)
    statistics.tokensSent(reply.sent - before)
    due += interval
    if step != .more { last = step }
  }

  /// A piece that is too small waits for the next step, unless that is not due yet. In a flood several tokens make a
  /// piece: a write of each alone would cost more than all that the relays do, and then be what is measured.
  private func mustSendHeld(at now: UInt64) -> Bool {
    guard held.readableBytes > 0 else { return false }
    let enough = pieceBytes == 0 && interval == 0 && isHeadSent ? Self.floodBytes : pieceBytes
    return held.readableBytes >= enough || last != nil || due > now
  }

  private func sendPiece() {
    sendHead()
    let length = pieceBytes > 0 ? min(pieceBytes, held.readableBytes) : held.readableBytes
    guard let piece = held.readSlice(length: length) else { return }
    if held.readableBytes == 0 { held = ByteBuffer() }
    channel.write(HTTPServerResponsePart.body(.byteBuffer(piece)), promise: nil)
    if pieceBytes > 0 || (interval > 0 && last == nil) { channel.flush() }
  }

  private func sendHead() {
    guard !isHeadSent else { return }
    isHeadSent = true
    var head = HTTPResponseHead(version: request.version, status: reply.status, headers: reply.headers)
    if case .end(linger: 0) = last, pieceBytes == 0 {
      head.headers.add(name: "content-length", value: String(held.readableBytes))
    }
    if !request.isKeepAlive { head.headers.add(name: "connection", value: "close") }
    channel.write(HTTPServerResponsePart.head(head), promise: nil)
  }

  private func finish(_ step: Reply.Step) {
    switch step {
    case .more: break
    case .stall:
      phase = .stalled
      sendHead()
      channel.flush()
    case .cut:
      sendHead()
      breakOff { $0.close(promise: nil) }
    case .reset:
      breakOff(Self.reset)
    case .end(let linger):
      sendHead()
      statistics.requestIsDecided(.finished)
      guard linger > 0 else { return endBody() }
      phase = .lingering
      wake(at: Self.now + UInt64(linger) * 1_000_000)
      channel.flush()
    }
  }

  private func endBody() {
    leave()
    ended()
    let end = HTTPServerResponsePart.end(nil)
    if request.isKeepAlive {
      channel.writeAndFlush(end, promise: nil)
    } else {
      let channel = channel
      channel.writeAndFlush(end).whenComplete { _ in channel.close(promise: nil) }
    }
  }

  /// Ends the connection once all that was written has left.
  private func breakOff(_ end: @escaping @Sendable (any Channel) -> Void) {
    statistics.requestIsDecided(.brokenOff)
    leave()
    let channel = channel
    let nothing = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer()))
    channel.writeAndFlush(nothing).whenComplete { _ in end(channel) }
  }

  private func leave() {
    phase = .over
    timer?.cancel()
    timer = nil
    statistics.requestEnds()
  }

  /// A close that lingers for no time resets the connection: tcp(7), SO_LINGER.
  @Sendable private static func reset(_ channel: any Channel) {
    guard let socket = channel as? any SocketOptionProvider else { return channel.close(promise: nil) }
    socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
  }

  private func wake(at time: UInt64) {
    // Whole milliseconds, so that one turn of the loop serves many streams.
    let millisecond: UInt64 = 1_000_000
    let tick = (time + millisecond - 1) / millisecond * millisecond
    let wake = Wake(sender: NIOLoopBound(self, eventLoop: channel.eventLoop))
    timer?.cancel()
    timer = try? channel.eventLoop.scheduleCallback(at: .uptimeNanoseconds(tick), handler: wake)
  }

  private func timerFired() {
    timer = nil
    switch phase {
    case .sending: pump()
    case .lingering: endBody()
    case .stalled, .over: break
    }
  }

  /// NIO's deadlines are CLOCK_MONOTONIC.
  private static var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

  private struct Wake: NIOScheduledCallbackHandler, Sendable {
    let sender: NIOLoopBound<ReplySender>

    func handleScheduledCallback(eventLoop: some EventLoop) {
      sender.value.timerFired()
    }
  }
}
