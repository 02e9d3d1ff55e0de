import Streaming

/// How one worker stands, for another one that was asked.
struct WorkerReport: Sendable {
  /// The worker's, counted from 0.
  let worker: Int
  var figures: Figures
  /// From web servers.
  var connections: Int
  var streams: Int
  /// Those of them whose provider stands still because the client takes too little.
  var paused: Int
  /// Requests that wait for a slot.
  var queued: Int
  /// Each of the streams, those included that have no slot yet, where that was asked for.
  var running: [StreamReport] = []
}

/// How one running stream stands. Never a prompt or a reply.
struct StreamReport: Sendable {
  enum State: String, Sendable {
    /// It has no slot yet, or its limits are being asked about.
    case queued
    /// The provider has said nothing yet.
    case waiting
    case streaming
    /// An attempt has failed, and the next one has not begun.
    case retrying
    /// All is said, and the client has yet to take it.
    case sending
  }

  let id: String
  let route: String
  let model: String
  let state: State
  let startedAt: Instant
  let tokens: Int
  let bufferedBytes: Int
  let isPaused: Bool

  /// - Parameter isQueued: nobody may be asked yet.
  init(_ context: RequestContext, _ lifecycle: Lifecycle, isQueued: Bool) {
    id = context.id
    route = context.route
    model = lifecycle.speaker.model
    state = Self.state(lifecycle, isQueued: isQueued)
    startedAt = lifecycle.startedAt
    tokens = lifecycle.tokenCount
    bufferedBytes = lifecycle.buffer.count
    isPaused = lifecycle.buffer.isPaused
  }

  private static func state(_ lifecycle: Lifecycle, isQueued: Bool) -> State {
    if lifecycle.isOver { return .sending }
    if isQueued { return .queued }
    if !lifecycle.isRunning { return .retrying }
    return lifecycle.hasOutput ? .streaming : .waiting
  }

  /// Milliseconds. Its own worker may have looked at the clock a little later than who tells it.
  func age(at now: Instant) -> Int { max(0, startedAt.milliseconds(to: now)) }
}
