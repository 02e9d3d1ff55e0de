/// How a failure is told by the status line and a body.
public enum FailureForm: Sendable {
  /// RFC 9457; `type` ends in the error type.
  case problem
  /// OpenAI's `error` object; `code` is the error type.
  case openAI

  /// What the clients of a path expect.
  public init(path: String) {
    self = path.hasPrefix("/v1/") ? .openAI : .problem
  }

  public func header(_ failure: Failure) -> ResponseHeader {
    let type = self == .problem ? "application/problem+json" : "application/json"
    var header = ResponseHeader(status: failure.status, [("Content-Type", type), ("Cache-Control", "no-store")])
    if let seconds = failure.retryAfter { header.fields.append(("Retry-After", String(seconds))) }
    if let allow = failure.allow { header.fields.append(("Allow", allow)) }
    // RFC 6750, section 3. A client's own key alone is refused so.
    if failure.kind == .unauthorized { header.fields.append(("WWW-Authenticate", "Bearer")) }
    // OpenAI's libraries try a 429 and every 5xx again, unless they are told otherwise.
    if self == .openAI, !failure.isRetryable { header.fields.append(("x-should-retry", "false")) }
    return header
  }

  public func body(_ failure: Failure) -> [UInt8] {
    var body: [UInt8] = []
    switch self {
    case .problem:
      body.append("{\"type\":\"urn:sheepfcgi:error:\(failure.kind.rawValue)\",\"title\":")
      JSONEscaping.append(HTTPStatus.reason(failure.status), to: &body)
      body.append(",\"status\":\(failure.status),\"detail\":")
      JSONEscaping.append(failure.message, to: &body)
      body.append(",\"retryable\":\(failure.isRetryable)")
      if let limit = failure.limit { body.append(",\"limit\":\"\(limit.rawValue)\"") }
      body.append("}")
    case .openAI: Self.appendError(failure, to: &body)
    }
    body.append("\n")
    return body
  }

  /// `{"error":{…}}`, as it also stands inside a stream.
  static func appendError(_ failure: Failure, to output: inout [UInt8]) {
    output.append("{\"error\":{\"message\":")
    JSONEscaping.append(failure.message, to: &output)
    output.append(",\"type\":\"\(type(of: failure))\",\"param\":null,\"code\":\"\(failure.kind.rawValue)\"")
    if let limit = failure.limit { output.append(",\"limit\":\"\(limit.rawValue)\"") }
    output.append("}}")
  }

  /// OpenAI's own name for the kind of failure.
  private static func type(of failure: Failure) -> String {
    switch failure.kind {
    case .badRequest: "invalid_request_error"
    case .unauthorized: "authentication_error"
    case .rateLimited: "rate_limit_error"
    default: "server_error"
    }
  }
}
