import CFCGI

/// Puts an answer's bytes into the form of its protocol: STDOUT records for FastCGI, as they are for SCGI.
///
/// It copies no content. `next` says what the connection shall send now, in one call: `lead`, then so many bytes of the
/// answer, then `tail`. `sent` is told how much of that the socket took; the rest comes first in the next `next`.
public struct ResponseFramer {
  public enum Framing: Equatable, Sendable {
    case fastCGI(requestID: UInt16)
    case scgi
  }

  /// Bytes that go before the content: what answers management records, or what is left of a record's header.
  public var lead: Span<UInt8> {
    @_lifetime(borrow self)
    get { replies.isEmpty ? header.span.extracting(headerTaken..<Record.headerLength) : replies.span }
  }
  /// Bytes of the answer that belong to the record that is open.
  public private(set) var content = 0
  /// Bytes that end the answer.
  public private(set) var tail: [UInt8] = []

  /// The peer would keep the connection, and must not: we close it with this answer. Set before the answer's end.
  ///
  /// nginx keeps a connection only if END_REQUEST ends what it has read, so that a record behind it, which says nothing,
  /// keeps it from sending another request under our closing hands.
  public var endsConnection = false

  /// What answers management records; it goes out alone, before anything else.
  private var replies: [UInt8] = []
  /// Of the record that is open; in its place, as an open stream should hold no memory for it.
  private var header: [8 of UInt8] = .init(repeating: 0)
  private var headerTaken = Record.headerLength
  private var framing = Framing.scgi
  private var hasEnded = true

  public init() {}

  /// Whether all that it was told to send is gone.
  public var isIdle: Bool { count == 0 }
  /// Bytes of `lead`, `content` and `tail` together.
  public var count: Int { lead.count + content + tail.count }

  /// Another answer begins.
  public mutating func begin(_ framing: Framing) {
    self.framing = framing
    hasEnded = false
    endsConnection = false
  }

  /// Opens a record for what waits, if the last one is gone, and ends the answer with the last of it.
  /// - Parameters:
  ///   - waiting: bytes of the answer that are there, those of an open record included.
  ///   - isEnded: nothing will be added to them.
  ///   - replies: bytes between records; taken when there is room for them.
  public mutating func next(waiting: Int, isEnded: Bool, replies: inout [UInt8]) {
    guard content == 0, tail.isEmpty, self.replies.isEmpty else { return }
    if !replies.isEmpty { return swap(&self.replies, &replies) }
    guard !hasEnded else { return }
    switch framing {
    case .scgi:
      content = waiting
      hasEnded = isEnded
    case .fastCGI(let id):
      content = min(waiting, Record.contentBound)
      if content > 0 {
        header = Record(type: FCGI_STDOUT, requestID: id, contentLength: content).bytes
        headerTaken = 0
      }
      if isEnded, content == waiting {
        hasEnded = true
        Record(type: FCGI_STDOUT, requestID: id, contentLength: 0).write(to: &tail)
        Record.writeEndRequest(id, protocolStatus: FCGI_REQUEST_COMPLETE, to: &tail)
        if endsConnection { Record.writeValues([], to: &tail) }
      }
    }
  }

  /// The socket took `count` bytes. Returns how many of them were the answer's.
  public mutating func sent(_ count: Int) -> Int {
    guard replies.isEmpty else {
      replies.removeFirst(count)
      return 0
    }
    var rest = count
    let ofHeader = min(rest, Record.headerLength - headerTaken)
    headerTaken += ofHeader
    rest -= ofHeader
    let ofContent = min(rest, content)
    content -= ofContent
    rest -= ofContent
    if rest > 0 { tail.removeFirst(rest) }
    return ofContent
  }
}
