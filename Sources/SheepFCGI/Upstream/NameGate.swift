import Streaming

/// Lets one call to a host look its name up while the others wait: libcurl's resolver starts a thread for each lookup
/// that no kept answer serves, so that 100 cold requests would start 100.
///
/// The first call that finds the gate closed is the scout, and makes libcurl forget the old answer. When a socket is
/// opened for it the name is known, and the gate stands open for a while. Bound to its worker's thread.
final class NameGate {
  private var openUntil: Instant?
  private weak var scout: UpstreamCall?
  private var waiting: [UpstreamCall] = []
  private let start: (UpstreamCall) -> Void

  /// How long an answer is used. libcurl is told to keep it longer, so that no call meets an expired one.
  private static let openTime = Duration.seconds(60)

  /// - Parameter start: hands a call to libcurl, or puts that off while libcurl is at work.
  init(start: @escaping (UpstreamCall) -> Void) {
    self.start = start
  }

  /// Starts the call now or when the name is known.
  func pass(_ call: UpstreamCall, at now: Instant) {
    if let openUntil, now < openUntil { return start(call) }
    guard scout == nil else { return waiting.append(call) }
    send(call)
  }

  private func send(_ call: UpstreamCall) {
    scout = call
    call.looksNameUp = true
    start(call)
  }

  /// A socket is being opened for the call: its name has been found.
  func found(by call: UpstreamCall) {
    guard scout === call else { return }
    scout = nil
    openUntil = Clock.now() + Self.openTime
    let released = waiting
    waiting = []
    for call in released { start(call) }
  }

  /// The call goes over a connection that stood already, or is given up: it will tell nothing of the name.
  func left(_ call: UpstreamCall) {
    if scout === call {
      scout = nil
      if !waiting.isEmpty { send(waiting.removeFirst()) }
    } else if let index = waiting.firstIndex(where: { $0 === call }) {
      waiting.remove(at: index)
    }
  }

  /// The name cannot be found, or not in time. Asking again for each that waits would only take as long again.
  func failed(_ call: UpstreamCall, _ end: Lifecycle.UpstreamEnd) {
    guard scout === call else { return }
    scout = nil
    let refused = waiting
    waiting = []
    for call in refused { call.listener?.upstreamEnded(end) }
  }
}
