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
  /// Each of the streams, where that was asked for.
  var running: [StreamReport] = []
}

/// How one running stream stands. Never a prompt or a reply.
struct StreamReport: Sendable {
  enum State: String, Sendable {
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

  init(_ context: RequestContext, _ lifecycle: Lifecycle) {
    id = context.id
    route = context.route
    model = lifecycle.speaker.model
    state =
      if lifecycle.isOver { .sending } else if !lifecycle.isRunning { .retrying } else if lifecycle.hasOutput {
        .streaming
      } else {
        .waiting
      }
    startedAt = lifecycle.startedAt
    tokens = lifecycle.tokenCount
    bufferedBytes = lifecycle.buffer.count
    isPaused = lifecycle.buffer.isPaused
  }

  /// Milliseconds. Its own worker may have looked at the clock a little later than who tells it.
  func age(at now: Instant) -> Int { max(0, startedAt.milliseconds(to: now)) }
}
