/// SCGI (https://python.ca/scgi/protocol.txt): a netstring of headers, then a body of CONTENT_LENGTH bytes. One request
/// a connection.
public struct SCGIParser {
  private enum Phase { case length, headers, comma, body, running }

  private let bounds: RequestBounds
  private var phase = Phase.length
  private var digits = 0
  private var length = 0
  private var headers: [UInt8] = []
  private var params = Params()
  private var body: BodyIntake?

  public init(bounds: RequestBounds) {
    self.bounds = bounds
  }

  /// Whether the request is not whole yet.
  public var isInRequest: Bool { phase != .running }

  /// Takes input from `position` on; nil when it is used up.
  public mutating func consume(_ input: Span<UInt8>, from position: inout Int) -> GatewayAction? {
    while position < input.count || phase == .body {
      switch phase {
      case .length:
        if let action = takeLength(input[position]) { return action }
        position += 1
      case .headers:
        let count = min(length - headers.count, input.count - position)
        headers.append(input.extracting(position..<position + count))
        position += count
        if headers.count == length { phase = .comma }
      case .comma:
        guard input[position] == UInt8(ascii: ",") else { return .close("SCGI headers without their comma") }
        position += 1
        if let action = takeHeaders() { return action }
      case .body:
        return takeBody(input, &position)
      case .running:
        return .close("bytes behind the body of an SCGI request")
      }
    }
    return nil
  }

  private mutating func takeLength(_ byte: UInt8) -> GatewayAction? {
    if byte == UInt8(ascii: ":"), digits > 0 {
      phase = .headers
      return nil
    }
    guard byte &- 48 < 10, digits < 10, !(digits > 0 && length == 0) else {
      return .close("SCGI headers whose length is no number")
    }
    digits += 1
    length = length * 10 + Int(byte - 48)
    guard length <= bounds.params else {
      return .close("parameters of more than \(bounds.params) bytes (limits.params_bytes)")
    }
    return nil
  }

  private mutating func takeHeaders() -> GatewayAction? {
    guard let params = try? Params(scgi: headers), params["SCGI"] == "1", params.names.first == "CONTENT_LENGTH" else {
      return .close("headers that are no SCGI request")
    }
    headers = []
    self.params = params
    body = BodyIntake(params, bounds)
    phase = .body
    return nil
  }

  private mutating func takeBody(_ input: Span<UInt8>, _ position: inout Int) -> GatewayAction? {
    guard var body else { return nil }
    self.body = nil
    body.append(input.extracting(position..<input.count))
    position = input.count
    guard body.isComplete || body.isOverrun || body.announced == nil else {
      self.body = body
      return nil
    }
    phase = .running
    return .request(Request(params: params, body: body.bytes, defect: body.defect))
  }
}
