import CFCGI

/// What a connection's bytes mean. Its first byte tells the protocol: 0x01 is FastCGI's version, a digit begins an SCGI
/// netstring, and nothing else is ours.
public struct GatewayParser {
  private let bounds: RequestBounds
  private let capacity: Int
  /// One of the two, from the first byte on; side by side, so that this one is changed in its place.
  private var fastCGI: FastCGIParser?
  private var scgi = Boxed.nothing

  /// Indirect, so that other connections hold no room for it.
  private indirect enum Boxed {
    case nothing
    case parser(SCGIParser)
  }

  /// - Parameter capacity: streams that this program takes, for a web server that asks.
  public init(bounds: RequestBounds, capacity: Int) {
    self.bounds = bounds
    self.capacity = capacity
  }

  /// Whether any byte has come.
  public var hasBegun: Bool {
    if case .nothing = scgi { fastCGI != nil } else { true }
  }

  /// Whether a request has begun to arrive and is not whole.
  public var isInRequest: Bool {
    if case .parser(let parser) = scgi { parser.isInRequest } else { fastCGI?.isInRequest ?? false }
  }

  /// Whether input must wait for the end of the running request.
  public var isHeldBack: Bool { fastCGI?.isHeldBack ?? false }

  /// Whether the connection outlives the running request.
  public var keepsConnection: Bool { fastCGI?.keepsConnection ?? false }

  /// How the running request's answer is framed.
  public var framing: ResponseFramer.Framing {
    if let id = fastCGI?.requestID { .fastCGI(requestID: id) } else { .scgi }
  }

  /// Takes input from `position` on, up to the first thing that it amounts to. Call again until it returns nil.
  public mutating func consume(_ input: Span<UInt8>, from position: inout Int) -> GatewayAction? {
    if !hasBegun {
      guard position < input.count else { return nil }
      switch input[position] {
      case UInt8(FCGI_VERSION_1): fastCGI = FastCGIParser(bounds: bounds, capacity: capacity)
      case UInt8(ascii: "0")...UInt8(ascii: "9"): scgi = .parser(SCGIParser(bounds: bounds))
      default: return .close("a first byte that is neither FastCGI nor SCGI")
      }
    }
    guard case .parser(var parser) = scgi else { return fastCGI?.consume(input, from: &position) }
    // Moved out and back, so that its arrays are changed in place.
    scgi = .nothing
    defer { scgi = .parser(parser) }
    return parser.consume(input, from: &position)
  }

  /// Moves what answers management records to the end of `output`.
  public mutating func takeReplies(into output: inout [UInt8]) {
    fastCGI?.takeReplies(into: &output)
  }

  /// The running request's answer has ended.
  public mutating func requestEnded() {
    fastCGI?.requestEnded()
  }
}
