import CFCGI

/// The application's side of FastCGI 1.0, for the responder role: takes the web server's records apart.
///
/// It serves one request at a time (FCGI_MPXS_CONNS is 0), refuses a second one beside it, and holds back one that is
/// sent ahead under the running one's id until that has ended.
public struct FastCGIParser {
  /// Bytes that answer management records and refusals, for between two records of an answer.
  private var replies: [UInt8] = []
  /// The id under which the current request's answer goes out.
  public private(set) var requestID: UInt16 = 0
  /// Whether the connection outlives the current request.
  public private(set) var keepsConnection = false
  /// The next record begins a request that must wait for the end of the running one. No input is taken until then.
  public private(set) var isHeldBack = false

  private enum Phase { case idle, params, stdin, running }

  private let bounds: RequestBounds
  /// What FCGI_GET_VALUES is told for FCGI_MAX_CONNS and FCGI_MAX_REQS.
  private let capacity: Int
  private var phase = Phase.idle
  private var header: [8 of UInt8] = .init(repeating: 0)
  private var headerCount = 0
  private var record: Record?
  /// Bytes of the current record that are still to come.
  private var contentLeft = 0
  private var paddingLeft = 0
  /// The content of a record that is needed whole.
  private var content: [UInt8] = []
  private var params: [UInt8] = []
  private var decoded = Params()
  private var body: BodyIntake?

  public init(bounds: RequestBounds, capacity: Int) {
    self.bounds = bounds
    self.capacity = capacity
  }

  /// Whether a request has begun and is not whole yet.
  public var isInRequest: Bool {
    switch phase {
    case .params, .stdin: true
    case .idle: headerCount > 0 || record != nil
    case .running: false
    }
  }

  /// Moves what answers management records to the end of `output`.
  public mutating func takeReplies(into output: inout [UInt8]) {
    output += replies
    replies = []
  }

  /// The answer to the running request has ended; the next one may begin.
  public mutating func requestEnded() {
    phase = .idle
    isHeldBack = false
  }

  /// Takes input from `position` on, up to the first thing that it amounts to; nil when the input is used up, or held
  /// back.
  public mutating func consume(_ input: Span<UInt8>, from position: inout Int) -> GatewayAction? {
    while true {
      guard let record else {
        guard !isHeldBack, readHeader(input, &position) else { return nil }
        if let action = begin() { return action }
        continue
      }
      if contentLeft > 0 {
        let count = min(contentLeft, input.count - position)
        guard count > 0 else { return nil }
        let part = input.extracting(position..<position + count)
        position += count
        contentLeft -= count
        if let action = take(part, of: record) { return action }
        continue
      }
      let count = min(paddingLeft, input.count - position)
      position += count
      paddingLeft -= count
      guard paddingLeft == 0 else { return nil }
      self.record = nil
      if let action = end(of: record) { return action }
    }
  }

  // MARK: Records

  private mutating func readHeader(_ input: Span<UInt8>, _ position: inout Int) -> Bool {
    while headerCount < Record.headerLength, position < input.count {
      header[headerCount] = input[position]
      headerCount += 1
      position += 1
    }
    return headerCount == Record.headerLength
  }

  /// A header is there.
  private mutating func begin() -> GatewayAction? {
    let next = Record(header.span)
    guard next.version == UInt8(FCGI_VERSION_1) else { return .close("a record of FastCGI version \(next.version)") }
    if next.type == UInt8(FCGI_BEGIN_REQUEST), next.requestID == requestID, phase == .running {
      isHeldBack = true
      return nil
    }
    headerCount = 0
    content.removeAll(keepingCapacity: true)
    record = next
    contentLeft = next.contentLength
    paddingLeft = next.paddingLength
    return nil
  }

  private func isStream(_ record: Record, _ type: Int32) -> Bool {
    record.type == UInt8(type) && record.requestID == requestID && requestID != 0
  }

  /// A part of a record's content.
  private mutating func take(_ part: Span<UInt8>, of record: Record) -> GatewayAction? {
    if isStream(record, FCGI_PARAMS), phase == .params {
      guard params.count + part.count <= bounds.params else {
        return .close("parameters of more than \(bounds.params) bytes (limits.params_bytes)")
      }
      params.append(part)
    } else if isStream(record, FCGI_STDIN), phase == .stdin {
      body?.append(part)
      if body?.isOverrun == true {
        keepsConnection = false
        return finishRequest()
      }
    } else if isStream(record, FCGI_STDIN), phase == .params {
      return .close("a body before the end of the parameters")
    } else if record.type == UInt8(FCGI_BEGIN_REQUEST) || record.type == UInt8(FCGI_GET_VALUES) {
      content.append(part)
    }
    return nil
  }

  /// A record is whole.
  private mutating func end(of record: Record) -> GatewayAction? {
    if record.requestID == UInt16(FCGI_NULL_REQUEST_ID) { return answerManagement(record) }
    switch Int32(record.type) {
    case FCGI_BEGIN_REQUEST:
      return beginRequest(record)
    case FCGI_ABORT_REQUEST where record.requestID == requestID:
      return abort()
    case FCGI_PARAMS where isStream(record, FCGI_PARAMS) && phase == .params && record.contentLength == 0:
      return endParams()
    case FCGI_STDIN where isStream(record, FCGI_STDIN) && phase == .stdin && record.contentLength == 0:
      body?.finish()
      return finishRequest()
    default:
      // Records of a request that was refused or has ended are dropped (section 3.3).
      return nil
    }
  }

  private mutating func answerManagement(_ record: Record) -> GatewayAction {
    if record.type == UInt8(FCGI_GET_VALUES) {
      guard let asked = try? Params(fastCGI: content) else { return .close("FCGI_GET_VALUES without names") }
      let known = [("FCGI_MAX_CONNS", "\(capacity)"), ("FCGI_MAX_REQS", "\(capacity)"), ("FCGI_MPXS_CONNS", "0")]
      let names = Set(asked.names)
      Record.writeValues(known.filter { names.contains($0.0) }, to: &replies)
    } else {
      Record.writeUnknownType(record.type, to: &replies)
    }
    return .reply
  }

  // MARK: Requests

  private mutating func beginRequest(_ record: Record) -> GatewayAction? {
    guard content.count >= 8 else { return .close("FCGI_BEGIN_REQUEST of \(content.count) bytes") }
    guard phase == .idle else {
      guard record.requestID != requestID else { return .close("a request that begins twice") }
      Record.writeEndRequest(record.requestID, protocolStatus: FCGI_CANT_MPX_CONN, to: &replies)
      return .reply
    }
    let role = Int32(content[0]) << 8 | Int32(content[1])
    keepsConnection = content[2] & UInt8(FCGI_KEEP_CONN) != 0
    requestID = record.requestID
    guard role == FCGI_RESPONDER else {
      Record.writeEndRequest(record.requestID, protocolStatus: FCGI_UNKNOWN_ROLE, to: &replies)
      return keepsConnection ? .reply : .replyAndClose
    }
    phase = .params
    params.removeAll()
    body = nil
    return nil
  }

  private mutating func endParams() -> GatewayAction? {
    guard let decoded = try? Params(fastCGI: params) else { return .close("parameters that are no names and values") }
    params = []
    self.decoded = decoded
    body = BodyIntake(decoded, bounds)
    phase = .stdin
    return nil
  }

  private mutating func finishRequest() -> GatewayAction {
    let request = Request(params: decoded, body: body?.bytes ?? [], defect: body?.defect)
    decoded = Params()
    body = nil
    phase = .running
    return .request(request)
  }

  private mutating func abort() -> GatewayAction? {
    switch phase {
    case .idle: return nil
    case .running: return .abort
    case .params, .stdin:
      phase = .idle
      body = nil
      params = []
      Record.writeEndRequest(requestID, protocolStatus: FCGI_REQUEST_COMPLETE, to: &replies)
      return keepsConnection ? .reply : .replyAndClose
    }
  }
}
