import Streaming

/// A connection's way out: puts an answer's bytes into the form of its protocol and offers them to the socket.
///
/// One struct, so that a token finds all of it in one access.
struct Outlet {
  enum State: Equatable {
    /// All is gone, and more may follow.
    case idle
    /// The socket takes no more for now.
    case blocked
    case broken
  }

  /// Bytes for between two records: what answers management records.
  var replies: [UInt8] = []
  private var framer = ResponseFramer()
  /// The socket took less than it was offered, and has not said since that it takes more.
  private var isBlocked = false

  /// Whether no record is half sent.
  var isIdle: Bool { framer.isIdle }

  /// See `ResponseFramer`.
  var endsConnection: Bool {
    get { framer.endsConnection }
    set { framer.endsConnection = newValue }
  }

  mutating func begin(_ framing: ResponseFramer.Framing) {
    framer.begin(framing)
  }

  mutating func socketTakesMore() {
    isBlocked = false
  }

  /// Sends the front of `waiting`, as far as the socket takes it, and tells how much of it is gone.
  /// - Parameter isEnded: nothing will follow `waiting`.
  mutating func send(
    _ waiting: Span<UInt8>, isEnded: Bool, to socket: borrowing StreamSocket
  ) -> (taken: Int, state: State) {
    // The poller tells when it takes more; asking before that would be in vain.
    guard !isBlocked else { return (0, .blocked) }
    var taken = 0
    while true {
      framer.next(waiting: waiting.count - taken, isEnded: isEnded, replies: &replies)
      guard framer.count > 0 else { return (taken, .idle) }
      let content = waiting.extracting(taken..<taken + framer.content)
      switch socket.write(framer.lead, content, framer.tail.span) {
      case .bytes(let count): taken += framer.sent(count)
      case .blocked:
        isBlocked = true
        return (taken, .blocked)
      case .ended, .broken: return (taken, .broken)
      }
    }
  }
}
