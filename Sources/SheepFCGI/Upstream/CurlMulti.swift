import CCurl
import Glibc
import Streaming

/// libcurl's multi interface on a worker's loop: which sockets to watch, when to wake it, and what has ended.
/// Bound to the worker's thread.
final class CurlMulti {
  private let multi: UnsafeMutableRawPointer
  private let watch: (_ socket: Int32, _ what: Int32) -> Void
  /// When `wake` is to be called at the latest; nil: not before a socket is ready. Kept, as each turn of the loop asks.
  private(set) var deadline: Instant?
  /// When libcurl wants to be called whatever happens.
  private var curlDeadline: Instant? { didSet { setDeadline() } }
  /// Transfers whose answer has ended but whose body has not, in the order of their deadlines.
  private var lingering: [(call: UpstreamCall, until: Instant)] = [] { didSet { setDeadline() } }
  /// The running transfers, by their easy handle.
  private var calls: [UnsafeMutableRawPointer: UpstreamCall] = [:]
  /// What the transfers share beside the multi handle's connections: TLS sessions, which libcurl else keeps for each easy
  /// handle apart.
  private let share: UnsafeMutableRawPointer

  /// The last bytes of a body follow its end marker at once, or the connection is not worth the wait.
  private static let lingerTime = Duration.seconds(1)
  /// libcurl is at work: it takes no new transfer from within its callbacks.
  private var isBusy = false
  /// Transfers to be started when it is no longer.
  private var postponed: [UpstreamCall] = []

  /// - Parameters:
  ///   - connections: idle connections to keep open. libcurl's own default is four for each running transfer.
  ///   - watch: told which socket to watch for what (`CURL_POLL_IN`, …).
  init(connections: Int, watch: @escaping (_ socket: Int32, _ what: Int32) -> Void) {
    // It returns null when there is no memory, as everything else then ends the process.
    multi = curl_multi_init()!
    share = curl_share_init()!
    self.watch = watch
    sheep_share_set_data(share, CURL_LOCK_DATA_SSL_SESSION)
    let unretained = Unmanaged.passUnretained(self).toOpaque()
    sheep_multi_set_long(multi, CURLMOPT_MAXCONNECTS, connections)
    // One stream a connection with HTTP/2 too. Where several share one, libcurl 7.88 lets all of them wait for one that is
    // paused, keeps up to 32 MiB of it, and holds back the reset of one that is cancelled.
    sheep_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    sheep_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, unretained)
    sheep_multi_set_pointer(multi, CURLMOPT_TIMERDATA, unretained)
    sheep_multi_set_socket(multi) { _, socket, what, context, _ in
      if let context { Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue().watch(socket, what) }
      return 0
    }
    sheep_multi_set_timer(multi) { _, milliseconds, context in
      guard let context else { return 0 }
      let this = Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue()
      // 0 means at once, which by the loop's time has already come.
      this.curlDeadline = milliseconds < 0 ? nil : milliseconds == 0 ? .past : Clock.now() + .milliseconds(milliseconds)
      return 0
    }
  }

  deinit {
    for (easy, _) in calls {
      curl_multi_remove_handle(multi, easy)
      curl_easy_cleanup(easy)
    }
    curl_multi_cleanup(multi)
    curl_share_cleanup(share)
  }

  /// Has a poller watch a socket as libcurl wants it.
  /// - Parameter target: what the socket is to stand for there.
  static func watch<Target>(
    _ socket: Int32, _ what: Int32, with poller: Poller<Target>, as target: (Int32) -> Target
  ) {
    guard what != CURL_POLL_REMOVE else { return poller.remove(socket) }
    var interest = Poller<Target>.Interest()
    if what & CURL_POLL_IN != 0 { interest.insert(.read) }
    if what & CURL_POLL_OUT != 0 { interest.insert(.write) }
    // Where it fails, the transfer's clocks end it.
    try? poller.set(socket, interest, target(socket))
  }

  /// Whether no transfer runs.
  var isIdle: Bool { calls.isEmpty }

  /// Starts a transfer; it stays alive here until it has ended or is cancelled.
  func start(_ call: UpstreamCall) {
    guard !isBusy else { return postponed.append(call) }
    // A new one each time, for a microsecond: in one that is used again, libcurl before 8.3 extends a header of the last
    // answer, long freed, when the first line of the next one's is folded (curl issue 11620).
    let easy = curl_easy_init()!
    sheep_easy_set_pointer(easy, CURLOPT_SHARE, share)
    call.prepare(easy)
    calls[easy] = call
    curl_multi_add_handle(multi, easy)
  }

  /// Ends a transfer now: its connection is closed if the answer has not ended. Not from within a callback of libcurl.
  func cancel(_ call: UpstreamCall) {
    postponed.removeAll { $0 === call }
    guard let easy = call.abandon() else { return }
    // An HTTP/2 connection could be used again, but then the provider would not hear of the cancel before.
    sheep_easy_set_long(easy, CURLOPT_FORBID_REUSE, 1)
    release(easy)
  }

  /// A watched socket is ready.
  func ready(_ socket: Int32, canRead: Bool, canWrite: Bool, hasFailed: Bool) {
    let events =
      (canRead ? CURL_CSELECT_IN : 0) | (canWrite ? CURL_CSELECT_OUT : 0) | (hasFailed ? CURL_CSELECT_ERR : 0)
    act(socket, events)
  }

  private func setDeadline() {
    deadline = Instant.earlier(curlDeadline, lingering.first?.until)
  }

  /// Does what is due.
  func wake(at now: Instant) {
    if let due = curlDeadline, due <= now {
      curlDeadline = nil
      act(CURL_SOCKET_TIMEOUT, 0)
    }
    let due = lingering.prefix { $0.until <= now }
    lingering.removeFirst(due.count)
    for (call, _) in due { cancel(call) }
  }

  /// Nobody hears the call any more, but its answer is over, so its body ends soon: once it has, its connection can be
  /// used again.
  func linger(_ call: UpstreamCall, at now: Instant) {
    lingering.append((call, now + Self.lingerTime))
  }

  private func act(_ socket: Int32, _ events: Int32) {
    var running: Int32 = 0
    isBusy = true
    curl_multi_socket_action(multi, socket, events, &running)
    isBusy = false
    reap()
    guard !postponed.isEmpty else { return }
    let calls = postponed
    postponed = []
    for call in calls { start(call) }
  }

  /// Tells the calls that have ended so.
  private func reap() {
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left)?.pointee {
      guard message.msg == CURLMSG_DONE, let easy = message.easy_handle else { continue }
      guard let call = calls[easy] else { continue }
      let result = message.data.result
      let end = call.repeats(after: result, easy) ? nil : UpstreamCall.end(result, easy)
      _ = call.detach()
      release(easy)
      if let end { call.ended(end) } else { start(call) }
    }
  }

  private func release(_ easy: UnsafeMutableRawPointer) {
    curl_multi_remove_handle(multi, easy)
    calls[easy] = nil
    curl_easy_cleanup(easy)
  }
}
