import CFCGI

/// What a connection's bytes mean. Its first byte tells the protocol: 0x01 is FastCGI's version, a digit begins an SCGI
/// netstring, and nothing else is ours.
public struct GatewayParser {
  private enum Dialect {
    case undecided
    case fastCGI(FastCGIParser)
    case scgi(SCGIParser)
  }

  private let bounds: RequestBounds
  private let capacity: Int
  private var dialect = Dialect.undecided

  /// - Parameter capacity: streams that this program takes, for a web server that asks.
  public init(bounds: RequestBounds, capacity: Int) {
    self.bounds = bounds
    self.capacity = capacity
  }

  /// Whether any byte has come.
  public var hasBegun: Bool { if case .undecided = dialect { false } else { true } }

  /// Whether a request has begun to arrive and is not whole.
  public var isInRequest: Bool {
    switch dialect {
    case .undecided: false
    case .fastCGI(let parser): parser.isInRequest
    case .scgi(let parser): parser.isInRequest
    }
  }

  /// Whether input must wait for the end of the running request.
  public var isHeldBack: Bool {
    if case .fastCGI(let parser) = dialect { parser.isHeldBack } else { false }
  }

  /// Whether the connection outlives the running request.
  public var keepsConnection: Bool {
    if case .fastCGI(let parser) = dialect { parser.keepsConnection } else { false }
  }

  /// How the running request's answer is framed.
  public var framing: ResponseFramer.Framing {
    if case .fastCGI(let parser) = dialect { .fastCGI(requestID: parser.requestID) } else { .scgi }
  }

  /// Takes input from `position` on, up to the first thing that it amounts to. Call again until it returns nil.
  public mutating func consume(_ input: Span<UInt8>, from position: inout Int) -> GatewayAction? {
    // The parser is moved out and back, so that its arrays are changed in place.
    switch dialect {
    case .undecided:
      guard position < input.count else { return nil }
      if input[position] == UInt8(FCGI_VERSION_1) {
        dialect = .fastCGI(FastCGIParser(bounds: bounds, capacity: capacity))
      } else if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(input[position]) {
        dialect = .scgi(SCGIParser(bounds: bounds))
      } else {
        return .close("a first byte that is neither FastCGI nor SCGI")
      }
      return consume(input, from: &position)
    case .fastCGI(var parser):
      dialect = .undecided
      defer { dialect = .fastCGI(parser) }
      return parser.consume(input, from: &position)
    case .scgi(var parser):
      dialect = .undecided
      defer { dialect = .scgi(parser) }
      return parser.consume(input, from: &position)
    }
  }

  /// Moves what answers management records to the end of `output`.
  public mutating func takeReplies(into output: inout [UInt8]) {
    guard case .fastCGI(var parser) = dialect, !parser.replies.isEmpty else { return }
    dialect = .undecided
    output.append(contentsOf: parser.replies)
    parser.replies = []
    dialect = .fastCGI(parser)
  }

  /// The running request's answer has ended.
  public mutating func requestEnded() {
    guard case .fastCGI(var parser) = dialect else { return }
    dialect = .undecided
    parser.requestEnded()
    dialect = .fastCGI(parser)
  }
}
