import Streaming

/// A place for one stream after another. Bound to its `LoadClient`, which owns the socket.
final class LoadConnection {
  let slot: Int
  let isSlow: Bool
  /// The stream's number in this place: an event of an earlier one finds nobody.
  private(set) var turn: UInt32 = 0
  var socket: ClientSocket?
  /// Bytes of the request.
  var sent = 0
  var reader = StreamReader(startedAt: .past)
  /// It has the tokens that it wanted, and waits for the others to leave with it.
  var waits = false

  init(slot: Int, isSlow: Bool) {
    self.slot = slot
    self.isSlow = isSlow
  }

  func begin(at now: Instant) {
    // On a connection that is kept, the events carry the turn in which it was added; modifying it renews that.
    turn &+= 1
    sent = 0
    waits = false
    reader = StreamReader(startedAt: now)
  }
}
