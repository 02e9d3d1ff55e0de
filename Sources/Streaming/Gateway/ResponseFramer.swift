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

  /// Bytes that go before the content: what answers management records, and a record's header.
  public private(set) var lead: [UInt8] = []
  /// Bytes of the answer that belong to the record that is open.
  public private(set) var content = 0
  /// Bytes that end the answer.
  public private(set) var tail: [UInt8] = []

  /// The peer would keep the connection, and must not: we close it with this answer. Set before the answer's end.
  ///
  /// nginx keeps a connection only if END_REQUEST ends what it has read, so that a record behind it, which says nothing,
  /// keeps it from sending another request under our closing hands.
  public var endsConnection = false

  private var framing = Framing.scgi
  private var hasEnded = true

  public init() {}

  /// Whether all that it was told to send is gone.
  public var isIdle: Bool { lead.isEmpty && content == 0 && tail.isEmpty }
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
    guard content == 0, tail.isEmpty else { return }
    if !replies.isEmpty {
      lead.append(contentsOf: replies)
      replies.removeAll()
    }
    guard !hasEnded else { return }
    switch framing {
    case .scgi:
      content = waiting
      hasEnded = isEnded
    case .fastCGI(let id):
      content = min(waiting, Record.contentBound)
      if content > 0 { Record(type: FCGI_STDOUT, requestID: id, contentLength: content).write(to: &lead) }
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
    var rest = count
    let ofLead = min(rest, lead.count)
    if ofLead == lead.count { lead.removeAll(keepingCapacity: true) } else { lead.removeFirst(ofLead) }
    rest -= ofLead
    let ofContent = min(rest, content)
    content -= ofContent
    rest -= ofContent
    if rest == tail.count { tail.removeAll(keepingCapacity: true) } else { tail.removeFirst(rest) }
    return ofContent
  }
}
