/// One request of the web server, whole.
public struct Request: Sendable {
  public let params: Params
  public let method: String
  public let path: String
  public var body: [UInt8]
  /// What is wrong with it already; the answer is this failure, whatever else it holds.
  public var defect: Failure?

  public init(params: Params, body: [UInt8] = [], defect: Failure? = nil) {
    self.params = params
    method = params["REQUEST_METHOD"] ?? "GET"
    path = Self.path(of: params)
    self.body = body
    self.defect = defect
  }

  /// Debian's `scgi_params` has DOCUMENT_URI alone; below a prefix the site sets PATH_INFO.
  static func path(of params: Params) -> String {
    params["PATH_INFO"] ?? params["SCRIPT_NAME"] ?? params["DOCUMENT_URI"] ?? "/"
  }
}

/// How much of one request is taken in. One for all connections.
public final class RequestBounds: Sendable {
  /// Names and values together, in bytes.
  public let params: Int
  /// The body, in bytes.
  public let body: Int
  /// The body below `/v1`, in bytes.
  public let v1Body: Int

  public init(params: Int, body: Int, v1Body: Int) {
    self.params = params
    self.body = body
    self.v1Body = v1Body
  }

  func body(for params: Params) -> (bound: Int, setting: String) {
    Request.path(of: params).hasPrefix("/v1/") ? (v1Body, "limits.v1_body_bytes") : (body, "limits.body_bytes")
  }
}

/// What a web server's bytes amount to.
public enum GatewayAction {
  /// A request has arrived whole. Nothing more is read as a request until `requestEnded()`.
  case request(Request)
  /// Bytes for the web server were appended to the parser's `replies`.
  case reply
  /// The same, and the connection ends with them.
  case replyAndClose
  /// The running request is called off; it still gets its END_REQUEST.
  case abort
  /// The peer breaks the protocol: it is cut off.
  case close(String)
}

/// The body of one request on its way in: counted against CONTENT_LENGTH and the bound, kept only while it is in order.
struct BodyIntake {
  private(set) var bytes: [UInt8] = []
  private(set) var defect: Failure? {
    get { fault?.failure }
    set { fault = newValue.map(Fault.init) }
  }
  private var fault: Fault?
  /// What CONTENT_LENGTH announced; nil: nothing (a chunked upload that nginx passes on as it comes).
  let announced: Int?
  private var received = 0
  private let bound: Int
  private let setting: String

  /// A class, as most requests have none, and each connection has room for one.
  private final class Fault {
    let failure: Failure

    init(_ failure: Failure) {
      self.failure = failure
    }
  }

  init(_ params: Params, _ bounds: RequestBounds) {
    (bound, setting) = bounds.body(for: params)
    let text = params["CONTENT_LENGTH"]
    announced = text.flatMap(Int.init).flatMap { $0 < 0 ? nil : $0 }
    if let text, announced == nil {
      defect = Failure(.badRequest, "CONTENT_LENGTH '\(text.prefix(20))' is no number; send the body's length in bytes")
    } else if let announced, announced > bound {
      defect = tooLarge
    }
  }

  private var tooLarge: Failure {
    Failure(.badRequest, status: 413, "the body is longer than \(bound) bytes (\(setting)); send less")
  }

  /// What is dropped of a body that is too large, so that the web server reads the answer rather than an error of its own.
  private static let dropBound = 16 << 20

  /// True where more came than was announced or than anyone sends by mistake: it is answered at once, and the connection
  /// ends.
  var isOverrun: Bool { isOverlong || received > bound + Self.dropBound }

  private var isOverlong: Bool { announced.map { received > $0 } ?? false }

  /// True where all that was announced has come.
  var isComplete: Bool { announced.map { received >= $0 } ?? false }

  mutating func append(_ part: Span<UInt8>) {
    received += part.count
    if isOverlong {
      defect = Failure(.badRequest, "the body is longer than CONTENT_LENGTH; send as many bytes as announced")
    } else if received > bound, defect == nil {
      defect = tooLarge
    }
    if defect == nil { bytes.append(part) } else { bytes = [] }
  }

  /// The end of the body has come.
  mutating func finish() {
    if let announced, received < announced, defect == nil {
      defect = Failure(.badRequest, "the body ended before CONTENT_LENGTH; send as many bytes as announced")
      bytes = []
    }
  }
}
